//! What a million callers cost a real Envoy with `rate-limit` alone: its memory and its CPU
//! time, after each hundred thousand. (Natively: `--example scale` of the filter.)
//!
//! ```sh
//! cargo xtask build
//! cargo run --profile tool -p postern-tests --example million [CAPACITY]
//! ```

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use postern_tests::bench::account::cpu_time;
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use serde_json::json;

const CALLERS: u64 = 1_000_000;
const EACH: u64 = 100_000;
const CONNECTIONS: u64 = 4;
/// Requests that are sent before their answers are read.
const AT_ONCE: u64 = 1;

fn main() -> Result<(), String> {
    let capacity = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(65_536u64);
    let policy = json!({
        "limits": [{"id": "a", "match": {}, "key": [{"header": "x-caller"}], "quota": 100, "window": "1h"}],
        "capacity": capacity,
    });
    let modules = std::env::var_os("POSTERN_MODULES")
        .map_or_else(|| workspace().join("target/modules"), Into::into);
    let [admin, port] = free_ports()?;
    let bootstrap = include_str!("million.yaml")
        .replace("$ADMIN", &admin.to_string())
        .replace("$PORT", &port.to_string())
        .replace("$POLICY", &policy.to_string())
        .replace("$MODULE", &modules.join("rate-limit.wasm").to_string_lossy());
    let folder = workspace().join("target/test-runs/million");
    let envoy = Envoy::start(&folder, &bootstrap, admin)?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // What begins with the first requests is no caller's.
    ask(to, CALLERS, AT_ONCE * CONNECTIONS)?;
    println!("capacity {capacity}");
    println!("  callers    RSS MB   CPU us a request   passed");
    println!("{:>9} {:>9.1}", 0, resident(envoy.pid())?);
    for first in (0..CALLERS).step_by(usize::try_from(EACH).unwrap_or(1)) {
        let before = cpu_time(envoy.pid())?;
        let passed = ask(to, first, EACH)?;
        let spent = cpu_time(envoy.pid())?.saturating_sub(before);
        println!(
            "{:>9} {:>9.1} {:>18.1} {passed:>8}",
            first + EACH,
            resident(envoy.pid())?,
            spent.as_secs_f64() * 1e6 / EACH as f64,
        );
    }
    let all = envoy.stats("wasmcustom.postern.rate-limit.")?;
    for (name, value) in all.iter().filter(|(_, value)| *value > 0) {
        println!("{name}: {value}");
    }
    Ok(())
}

/// One request of each of so many callers; how many passed.
fn ask(to: SocketAddr, first: u64, count: u64) -> Result<u64, String> {
    let share = count / CONNECTIONS;
    let passed: Vec<Result<u64, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|n| scope.spawn(move || connection(to, first + n * share, share)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))
        };
        threads.into_iter().map(join).collect()
    });
    passed.into_iter().sum()
}

fn connection(to: SocketAddr, first: u64, count: u64) -> Result<u64, String> {
    let failed = |e: std::io::Error| format!("{to}: {e}");
    let mut stream = TcpStream::connect(to).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed)?;
    let (mut passed, mut chunk) = (0, vec![0; 256 * 1024]);
    let mut sent = 0;
    while sent < count {
        let now = AT_ONCE.min(count - sent);
        let mut text = String::new();
        for caller in 0..now {
            let caller = first + sent + caller;
            text.push_str(&format!(
                "GET / HTTP/1.1\r\nhost: a.example\r\nx-caller: {caller}\r\n\r\n"
            ));
        }
        stream.write_all(text.as_bytes()).map_err(failed)?;
        let (mut answers, mut rest) = (0, Vec::new());
        while answers < now {
            let read = stream.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                return Err("Envoy closed the connection".to_owned());
            }
            rest.extend_from_slice(&chunk[..read]);
            // No answer has a body that looks like a head.
            while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                answers += 1;
                passed += u64::from(rest.starts_with(b"HTTP/1.1 200"));
                rest.drain(..end + 4);
            }
        }
        sent += now;
    }
    Ok(passed)
}

/// Millions of bytes of a process that are in memory.
fn resident(pid: u32) -> Result<f64, String> {
    let file = format!("/proc/{pid}/statm");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<f64>().ok());
    pages.map(|pages| pages * 4096.0 / 1e6).ok_or(format!("{file}: {text}"))
}
