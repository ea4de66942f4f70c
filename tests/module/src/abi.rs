//! The functions that a module imports (proxy-wasm ABI 0.2.1 and the few of
//! WASI that Rust's standard library needs).

use wasmi::{Caller, Error, Memory, Val};

use crate::proxy::{Call, Headers, Proxy, Reply, Run};

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const BAD_ARGUMENT: i32 = 2;
const CAS_MISMATCH: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
/// WASI's "function not supported".
const NO_SYSTEM: i32 = 52;

/// Answers one imported function.
pub(crate) fn call(
    caller: Caller<'_, Proxy>,
    name: &str,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<(), Error> {
    let words: Vec<u64> = arguments
        .iter()
        .map(|v| match v {
            Val::I32(i) => u64::from(i.cast_unsigned()),
            Val::I64(i) => i.cast_unsigned(),
            _ => 0,
        })
        .collect();
    let mut guest = Guest { caller, words };
    if name == crate::ENTER {
        let function = guest.word(0);
        guest.proxy().enter(function);
        return Ok(());
    }
    if name == crate::COUNT {
        let run = Run { function: guest.word(0), begins: guest.word(1), bytes: guest.word(2) };
        let instructions = guest.word(3);
        guest.proxy().count(run, instructions);
        return Ok(());
    }
    if name == crate::BRANCH {
        let (condition, branch) = (guest.word(0), (guest.word(1), guest.word(2)));
        guest.proxy().branch(branch, condition != 0);
        if let Some(result) = results.first_mut() {
            *result = Val::I32(condition.cast_signed());
        }
        return Ok(());
    }
    if name.starts_with("proxy_") {
        *guest.caller.data_mut().crossings.entry(name.to_owned()).or_default() += 1;
    }
    let status = guest.answer(name)?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(status);
    }
    Ok(())
}

struct Guest<'c> {
    caller: Caller<'c, Proxy>,
    words: Vec<u64>,
}

impl Guest<'_> {
    fn answer(&mut self, name: &str) -> Result<i32, Error> {
        match name {
            "proxy_log" => {
                let line = String::from_utf8_lossy(&self.bytes(1)?).into_owned();
                self.proxy().log.push(line);
                Ok(OK)
            }
            "proxy_get_log_level" => self.put_word(0, 2),
            "proxy_get_current_time_nanoseconds" => {
                let now = self.proxy().now;
                self.write(self.word(0), &now.to_le_bytes())?;
                Ok(OK)
            }
            "proxy_get_property" => {
                let key = self.bytes(0)?;
                let value = self.proxy().properties.get(&key).cloned();
                self.put_optional(value.as_deref(), 2)
            }
            "proxy_set_property" => {
                let key = self.bytes(0)?;
                let value = self.bytes(2)?;
                self.proxy().properties.insert(key, value);
                Ok(OK)
            }
            "proxy_get_buffer_bytes" => self.get_buffer(),
            "proxy_set_buffer_bytes" => {
                let value = self.bytes(3)?;
                match self.word(0) {
                    0 => self.proxy().request_body = value,
                    1 => self.proxy().response_body = value,
                    _ => return Ok(BAD_ARGUMENT),
                }
                Ok(OK)
            }
            "proxy_get_header_map_pairs" => {
                let pairs = self.map().map(|map| encode_pairs(map));
                self.put_optional(pairs.as_deref(), 1)
            }
            "proxy_set_header_map_pairs" => {
                let pairs = decode_pairs(&self.bytes(1)?);
                match self.map() {
                    Some(map) => *map = pairs,
                    None => return Ok(BAD_ARGUMENT),
                }
                Ok(OK)
            }
            "proxy_get_header_map_value" => {
                let name = self.text(1)?;
                let found = self.map().and_then(|m| m.iter().find(|(n, _)| *n == name));
                let value = found.map(|(_, v)| v.clone());
                self.put_optional(value.as_deref(), 3)
            }
            "proxy_replace_header_map_value" | "proxy_add_header_map_value" => {
                let (header, value) = (self.text(1)?, self.bytes(3)?);
                let replace = name == "proxy_replace_header_map_value";
                if let Some(map) = self.map() {
                    if replace {
                        map.retain(|(n, _)| *n != header);
                    }
                    map.push((header, value));
                }
                Ok(OK)
            }
            "proxy_remove_header_map_value" => {
                let header = self.text(1)?;
                if let Some(map) = self.map() {
                    map.retain(|(n, _)| *n != header);
                }
                Ok(OK)
            }
            "proxy_get_shared_data" => {
                let key = self.bytes(0)?;
                match self.proxy().shared.get(&key).cloned() {
                    Some((value, cas)) => {
                        self.put_word(4, cas)?;
                        self.put_optional(Some(&value), 2)
                    }
                    None => Ok(NOT_FOUND),
                }
            }
            "proxy_set_shared_data" => {
                let (key, value) = (self.bytes(0)?, self.bytes(2)?);
                let cas = self.word(4);
                let shared = &mut self.proxy().shared;
                let now = shared.get(&key).map_or(0, |(_, cas)| *cas);
                if cas != 0 && cas != now && !(cas == u32::MAX && now == 0) {
                    return Ok(CAS_MISMATCH);
                }
                shared.insert(key, (value, now + 1));
                Ok(OK)
            }
            "proxy_send_local_response" if self.proxy().refuses_replies => Ok(BAD_ARGUMENT),
            "proxy_send_local_response" => {
                let reply = Reply {
                    status: self.word(0),
                    body: self.bytes(3)?,
                    headers: decode_pairs(&self.bytes(5)?),
                };
                self.proxy().reply = Some(reply);
                Ok(OK)
            }
            "proxy_http_call" if self.proxy().sends_calls => {
                let cluster = self.text(0)?;
                let calls = &mut self.proxy().calls;
                let token = calls.last().map_or(1, |call| call.token + 1);
                calls.push(Call { token, cluster });
                self.put_word(9, token)
            }
            "proxy_define_metric" => {
                let name = self.text(1)?;
                let metrics = &mut self.proxy().metrics;
                metrics.push((name, 0));
                let id = u32::try_from(metrics.len()).unwrap_or(0) - 1;
                self.put_word(3, id)
            }
            "proxy_increment_metric" => {
                let (id, by) = (self.word(0) as usize, self.words[1]);
                match self.proxy().metrics.get_mut(id) {
                    Some((_, value)) => *value = value.wrapping_add(by),
                    None => return Ok(NOT_FOUND),
                }
                Ok(OK)
            }
            "proxy_record_metric" => {
                let (id, to) = (self.word(0) as usize, self.words[1]);
                match self.proxy().metrics.get_mut(id) {
                    Some((_, value)) => *value = to,
                    None => return Ok(NOT_FOUND),
                }
                Ok(OK)
            }
            "proxy_call_foreign_function" => {
                // Declarations are taken; there is no cryptography here, so the
                // filter's own is used, unless a test or a tool answers for it.
                let name = self.text(0)?;
                if name == "declare_property" {
                    return Ok(OK);
                }
                let answer = self.proxy().foreign.get(&name).cloned();
                self.put_optional(answer.as_deref(), 4)
            }
            "proxy_set_tick_period_milliseconds" => {
                let period = self.word(0);
                self.proxy().tick_period = period;
                Ok(OK)
            }
            "proxy_set_effective_context" | "proxy_continue_stream" | "proxy_done" => Ok(OK),
            "environ_sizes_get" => {
                let list = self.environment();
                self.put_word(0, u32::try_from(list.len()).unwrap_or(0))?;
                self.put_word(1, u32::try_from(list.concat().len()).unwrap_or(0))
            }
            "environ_get" => {
                let (mut at, mut text) = (self.word(0), self.word(1));
                for entry in self.environment() {
                    self.write(at, &text.to_le_bytes())?;
                    self.write(text, &entry)?;
                    at += 4;
                    text += u32::try_from(entry.len()).unwrap_or(0);
                }
                Ok(OK)
            }
            "random_get" => {
                let zeros = vec![7; self.word(1) as usize];
                self.write(self.word(0), &zeros)?;
                Ok(OK)
            }
            "clock_time_get" => {
                let now = self.proxy().now;
                self.write(self.word(2), &now.to_le_bytes())?;
                Ok(OK)
            }
            _ if name.starts_with("proxy_") => Ok(UNIMPLEMENTED),
            _ => Ok(NO_SYSTEM),
        }
    }

    fn get_buffer(&mut self) -> Result<i32, Error> {
        let (start, length) = (self.word(1) as usize, self.word(2) as usize);
        let whole = match self.word(0) {
            0 => &self.proxy().request_body,
            4 => match &self.proxy().call_answer {
                Some((_, body)) => body,
                None => return Ok(NOT_FOUND),
            },
            1 => &self.proxy().response_body,
            7 => &self.proxy().configuration,
            _ => return Ok(NOT_FOUND),
        };
        let end = start.saturating_add(length).min(whole.len());
        let part = whole.get(start..end).unwrap_or_default().to_vec();
        self.put_optional(Some(&part), 3)
    }

    fn environment(&mut self) -> Vec<Vec<u8>> {
        let list = &self.proxy().environment;
        list.iter().map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
    }

    fn proxy(&mut self) -> &mut Proxy {
        self.caller.data_mut()
    }

    fn map(&mut self) -> Option<&mut Headers> {
        match self.word(0) {
            0 => Some(&mut self.proxy().request),
            2 => Some(&mut self.proxy().response),
            3 => Some(&mut self.proxy().response_trailers),
            6 => self.proxy().call_answer.as_mut().map(|(headers, _)| headers),
            _ => None,
        }
    }

    fn word(&self, at: usize) -> u32 {
        u32::try_from(self.words[at] & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn memory(&self) -> Result<Memory, Error> {
        let memory = self.caller.get_export("memory").and_then(wasmi::Extern::into_memory);
        memory.ok_or_else(|| Error::new("the module exports no memory"))
    }

    /// The bytes that argument `at` points to; their length is the next one.
    fn bytes(&self, at: usize) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.word(at + 1) as usize];
        let offset = self.word(at) as usize;
        self.memory()?
            .read(&self.caller, offset, &mut out)
            .map_err(|e| Error::new(e.to_string()))?;
        Ok(out)
    }

    fn text(&self, at: usize) -> Result<String, Error> {
        self.bytes(at).map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let memory = self.memory()?;
        memory
            .write(&mut self.caller, offset as usize, bytes)
            .map_err(|e| Error::new(e.to_string()))
    }

    /// Stores a word where argument `at` points.
    fn put_word(&mut self, at: usize, word: u32) -> Result<i32, Error> {
        self.write(self.word(at), &word.to_le_bytes())?;
        Ok(OK)
    }

    /// Hands bytes over in memory that the module allocates; arguments `at`
    /// and `at + 1` say where the pointer and the length go.
    fn put_optional(&mut self, bytes: Option<&[u8]>, at: usize) -> Result<i32, Error> {
        let Some(bytes) = bytes else { return Ok(NOT_FOUND) };
        let size = i32::try_from(bytes.len()).map_err(|e| Error::new(e.to_string()))?;
        let mut pointer = 0;
        if size > 0 {
            let allocate = self
                .caller
                .get_export("proxy_on_memory_allocate")
                .or_else(|| self.caller.get_export("malloc"))
                .and_then(wasmi::Extern::into_func)
                .ok_or_else(|| Error::new("the module exports no allocator"))?;
            let mut result = [Val::I32(0)];
            allocate.call(&mut self.caller, &[Val::I32(size)], &mut result)?;
            pointer = result[0].i32().unwrap_or(0).cast_unsigned();
            self.write(pointer, bytes)?;
        }
        self.put_word(at, pointer)?;
        self.put_word(at + 1, size.cast_unsigned())
    }
}

/// The ABI's form of a header map: count, sizes, then NUL-ended texts.
fn encode_pairs(headers: &Headers) -> Vec<u8> {
    let word = |n: usize| u32::try_from(n).unwrap_or(0).to_le_bytes();
    let mut out = word(headers.len()).to_vec();
    for (name, value) in headers {
        out.extend(word(name.len()));
        out.extend(word(value.len()));
    }
    for (name, value) in headers {
        out.extend(name.as_bytes());
        out.push(0);
        out.extend(value);
        out.push(0);
    }
    out
}

fn decode_pairs(bytes: &[u8]) -> Headers {
    let word = |at: usize| {
        bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize
    };
    let count = word(0);
    let mut at = 4 + count * 8;
    let mut take = |size: usize| {
        let part = bytes.get(at..at + size).unwrap_or_default().to_vec();
        at += size + 1;
        part
    };
    (0..count)
        .map(|i| {
            let name = take(word(4 + i * 8));
            let value = take(word(8 + i * 8));
            (String::from_utf8_lossy(&name).into_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_maps_survive_the_wire() {
        let headers: Headers = vec![
            (":path".into(), b"/".to_vec()),
            ("x".into(), Vec::new()),
            ("y".into(), b"\xff\0".to_vec()),
        ];
        assert_eq!(decode_pairs(&encode_pairs(&headers)), headers);
        assert_eq!(decode_pairs(b""), Headers::new());
    }
}
