//! Several VMs over one map of shared data, and a server of any temper.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod documents;
mod failures;
mod machine;
mod model;
mod state;

use std::time::Duration;

use postern_core::fake::FakeHost;
use postern_core::{Answer, Work};

use super::config::{Settings, Source, Uri};
use super::document::{Place, Remote};
use super::form::{Form, Read};

const START: Duration = Duration::from_secs(1_795_478_400);
const KEY: u64 = 7;

/// A number in a document, read in so many slices.
#[derive(Debug)]
struct Number {
    slices: u32,
}

impl Form for Number {
    type Value = u64;
    type Part = u32;

    fn read(&self, body: &[u8], part: &mut u32) -> Result<Option<Read<u64>>, String> {
        *part += 1;
        if *part < self.slices {
            return Ok(None);
        }
        self.restore(body.to_vec()).map(|number| Some(number.into()))
    }

    fn restore(&self, published: Vec<u8>) -> Result<u64, String> {
        let text = String::from_utf8(published).map_err(|_| "it is no text".to_owned())?;
        text.parse().map_err(|_| "it is no number".to_owned())
    }

    fn size(&self, value: &u64) -> u64 {
        *value
    }
}

fn settings() -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        timeout: seconds(5),
        max_bytes: 32,
        default: seconds(600),
        min: seconds(60),
        max: seconds(3600),
        stale_for: seconds(86_400),
        cooldown: seconds(30),
        wait: seconds(3),
    }
}

fn remote_with(settings: Settings, slices: u32) -> Remote<Number> {
    let uri = Uri::parse("https://id.example.com/keys?secret=x").unwrap();
    let source = Source { cluster: "idp".to_owned(), uri };
    let place = Place { slot: 1, first_metric: 10 };
    Remote::new("keys", "idp", source, settings, place, Number { slices })
}

fn remote() -> Remote<Number> {
    remote_with(settings(), 1)
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    Answer::Response { status, headers, body: body.as_bytes().to_vec().into() }
}

/// The task of a piece of work, which has one.
#[track_caller]
fn task(work: &Work) -> u64 {
    let [task] = work.ask.as_slice() else { panic!("one question: {:?}", work.ask) };
    task.id
}

/// A tick that asks nothing.
#[track_caller]
fn quiet(remote: &Remote<Number>, host: &FakeHost) -> Work {
    let work = remote.tick(host, KEY);
    assert_eq!(work.ask, []);
    work
}

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn value(remote: &Remote<Number>, host: &FakeHost) -> Option<u64> {
    use postern_core::Host as _;
    remote.current(host.now()).map(|value| *value)
}

/// Asks and gets this number.
#[track_caller]
fn fetched(remote: &Remote<Number>, host: &FakeHost, headers: &[(&str, &str)], body: &str) -> Work {
    let task = task(&remote.tick(host, KEY));
    remote.answer(task, &answer(200, headers, body), host, KEY).unwrap()
}
