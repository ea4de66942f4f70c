//! Counts in Redis: one script counts a question whole or not at all, by Redis' own
//! clock, so that any number of services and gateways count as one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// Aligned windows. `KEYS`: whose counts; `ARGV`: of each the limit, the window in seconds,
/// and how much is added. Returns of each whether it is over, what is left, and in how many
/// milliseconds its window ends. What is over in one is counted in none.
const SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keys, left, ends, over = {}, {}, {}, false
for i = 1, #KEYS do
  local limit, window = tonumber(ARGV[3 * i - 2]), ARGV[3 * i - 1] * 1000
  ends[i] = window - now % window
  keys[i] = KEYS[i] .. '/' .. string.format('%.0f', now - now % window)
  left[i] = limit - tonumber(redis.call('GET', keys[i]) or '0')
  if tonumber(ARGV[3 * i]) > left[i] then over = true end
end
local out = {}
for i = 1, #KEYS do
  local hits = tonumber(ARGV[3 * i])
  local short = hits > left[i]
  if not over then
    redis.call('INCRBY', keys[i], hits)
    redis.call('PEXPIRE', keys[i], ends[i])
    left[i] = left[i] - hits
  end
  out[3 * i - 2] = short and 1 or 0
  out[3 * i - 1] = math.max(left[i], 0)
  out[3 * i] = ends[i]
end
return out
";

/// How long one question to Redis may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions that are asked at a time.
const CONNECTIONS: usize = 8;

/// What is to be counted.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) key: String,
    pub(super) requests: u64,
    pub(super) seconds: u64,
    pub(super) hits: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) over: bool,
    pub(super) remaining: u64,
    /// Milliseconds until the window ends.
    pub(super) reset: u64,
}

pub(super) struct Redis {
    address: String,
    connections: [Mutex<Option<Connection>>; CONNECTIONS],
    next: AtomicUsize,
}

struct Connection {
    stream: BufReader<TcpStream>,
    /// The script's name there.
    script: String,
}

impl Redis {
    pub(super) fn new(address: String) -> Self {
        Redis {
            address,
            connections: std::array::from_fn(|_| Mutex::default()),
            next: AtomicUsize::new(0),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), String> {
        self.with(|_| vec!["PING".to_owned()]).await.map(|_| ())
    }

    /// In order.
    pub(super) async fn count(&self, counts: &[Count]) -> Result<Vec<Counted>, String> {
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let reply = self.with(|script| {
            let mut words = vec!["EVALSHA".to_owned(), script.to_owned(), counts.len().to_string()];
            words.extend(counts.iter().map(|count| count.key.clone()));
            words.extend(counts.iter().flat_map(|count| {
                [count.requests, count.seconds, count.hits].map(|number| number.to_string())
            }));
            words
        });
        let Reply::Numbers(numbers) = reply.await? else { return Err("no numbers".to_owned()) };
        let number = |n: &i64| u64::try_from(*n).unwrap_or(0);
        let (threes, rest) = numbers.as_chunks::<3>();
        if threes.len() != counts.len() || !rest.is_empty() {
            return Err("another number of counts".to_owned());
        }
        let counted = threes.iter().map(|[over, remaining, reset]| Counted {
            over: *over != 0,
            remaining: number(remaining),
            reset: number(reset),
        });
        Ok(counted.collect())
    }

    /// Asks over one of the connections; one that fails is opened anew for the next.
    async fn with(&self, words: impl FnOnce(&str) -> Vec<String>) -> Result<Reply, String> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let Some(place) = self.connections.get(at) else { return Err("no connection".to_owned()) };
        let asked = async {
            let mut place = place.lock().await;
            // What is dropped in the middle is not used again.
            let mut connection = match place.take() {
                Some(connection) => connection,
                None => Connection::open(&self.address).await?,
            };
            let words = words(&connection.script);
            let reply = connection.ask(&words).await?;
            *place = Some(connection);
            Ok(reply)
        };
        let late = || format!("no answer within {PATIENCE:?}");
        let asked = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()));
        asked.map_err(|e| format!("redis at {}: {e}", self.address))
    }
}

/// What is understood of RESP.
#[derive(Debug)]
enum Reply {
    Text(String),
    Numbers(Vec<i64>),
}

impl Connection {
    async fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let mut connection = Connection { stream: BufReader::new(stream), script: String::new() };
        let words = ["SCRIPT", "LOAD", SCRIPT].map(str::to_owned);
        match connection.ask(&words).await? {
            Reply::Text(script) => connection.script = script,
            Reply::Numbers(_) => return Err("the script has no name".to_owned()),
        }
        Ok(connection)
    }

    async fn ask(&mut self, words: &[String]) -> Result<Reply, String> {
        let mut out = format!("*{}\r\n", words.len());
        for word in words {
            out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(out.as_bytes()).await.map_err(|e| e.to_string())?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, String> {
        let (kind, rest) = self.line().await?;
        match kind {
            '+' => Ok(Reply::Text(rest)),
            '-' => Err(rest),
            '$' => {
                let length: usize = rest.parse().map_err(|_| "no length".to_owned())?;
                let mut bytes = vec![0; length.min(1 << 20) + 2];
                self.stream.read_exact(&mut bytes).await.map_err(|e| e.to_string())?;
                bytes.truncate(length);
                Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            '*' => {
                let length: usize = rest.parse().map_err(|_| "no length".to_owned())?;
                let mut numbers = Vec::new();
                for _ in 0..length.min(1 << 12) {
                    let (kind, rest) = self.line().await?;
                    let number = rest.parse().ok().filter(|_| kind == ':');
                    numbers.push(number.ok_or("no number")?);
                }
                Ok(Reply::Numbers(numbers))
            }
            other => Err(format!("a reply of kind `{other}`")),
        }
    }

    async fn line(&mut self) -> Result<(char, String), String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.map_err(|e| e.to_string())?;
        let text = line.trim_end_matches(['\r', '\n']);
        let mut letters = text.chars();
        match letters.next() {
            Some(kind) if read > 0 => Ok((kind, letters.as_str().to_owned())),
            _ => Err("the connection ended".to_owned()),
        }
    }
}
