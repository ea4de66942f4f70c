//! Several gateways and one service that comes and goes, against what an onlooker adds
//! up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A service with windows of a minute that counts whole questions or nothing.
#[derive(Default)]
struct Service {
    used: BTreeMap<(u64, Vec<String>), u64>,
}

impl Service {
    fn answer(&mut self, ask: &Ask, now: u64, quota: u64, by_headers: bool) -> Answer {
        let minute = now / 60;
        let question = asked(ask);
        let used = |s: &Self, entries: &Vec<String>| {
            s.used.get(&(minute, entries.clone())).copied().unwrap_or(0)
        };
        let over = question.descriptors.iter().any(|(e, _, hits)| used(self, e) + hits > quota);
        let overall = if over { Code::OverLimit } else { Code::Ok };
        let reset = (minute + 1) * 60 - now;
        let mut all = Vec::new();
        for (entries, _, hits) in &question.descriptors {
            let before = used(self, entries);
            let code = if before + hits > quota { Code::OverLimit } else { Code::Ok };
            let after = if over { before } else { before + hits };
            self.used.insert((minute, entries.clone()), after);
            all.push((code, Some(quota), quota - after, reset * 1_000));
        }
        let least = all.iter().map(|(_, _, left, _)| *left).min().unwrap();
        said(&if by_headers {
            headers(
                overall,
                &format!("{quota}, {quota};w=60"),
                &least.to_string(),
                &reset.to_string(),
            )
        } else {
            statuses(overall, &all)
        })
    }
}

/// A request: on which gateway, by whom, how many seconds after the last, its cost, and
/// whether the service answers.
type Event = (usize, u8, u64, bool, bool);

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0usize..3, 0u8..3, 0u64..6, any::<bool>(), prop::bool::weighted(0.7));
    proptest::collection::vec(event, 1..250)
}

proptest! {
    /// As long as the service answers, exactly what it has is given out, remembered
    /// refusals included; while it does not, each gateway gives no more than its part.
    #[test]
    fn gateways_give_what_the_service_has_and_their_part_without(
        events in events(),
        by_headers in any::<bool>(),
        quota in 1u64..13,
    ) {
        let gateways: Vec<(RateLimit, FakeHost)> = (0..3)
            .map(|_| {
                let costs = r#", "costs": [{"match": {"paths": ["/two"]}, "cost": 2}]"#;
                let limit = limit("current", costs).replace(r#""quota": 10"#, &format!(r#""quota": {quota}"#));
                let policy = policy(r#", "backoff": "3s""#, &limit);
                let policy = policy.replace(r#""gateways": 2"#, r#""gateways": 3"#);
                (rate_limit(&policy), FakeHost::at(START))
            })
            .collect();
        let (mut service, mut now) = (Service::default(), START.as_secs());
        let mut by_service: BTreeMap<(u64, u8), u64> = BTreeMap::new();
        let mut by_itself: BTreeMap<(u64, u8, usize), u64> = BTreeMap::new();
        for (gateway, who, passes, dear, up) in events {
            now += passes;
            let (filter, host) = &gateways[gateway];
            host.set_now(Duration::from_secs(now));
            identify(host, &format!("caller-{who}"), None);
            let path = [(":path", if dear { "/two" } else { "/one" })];
            let cost = if dear { 2 } else { 1 };
            let seen = send_to(filter, host, &path, &mut |ask| {
                if up { service.answer(ask, now, quota, by_headers) } else { Answer::Unavailable }
            });
            let minute = now / 60;
            let given = by_service.entry((minute, who)).or_default();
            let own = by_itself.entry((minute, who, gateway)).or_default();
            let passed = seen.status == 200;
            if seen.record.contains(r#""engine":"degraded""#) {
                let part = (quota / 3).max(1);
                prop_assert_eq!(passed, *own + cost <= part, "{:?} with {} of {}", seen, own, part);
                *own += if passed { cost } else { 0 };
            } else {
                prop_assert_eq!(passed, *given + cost <= quota, "{:?} with {} of {}", seen, given, quota);
                *given += if passed { cost } else { 0 };
            }
            prop_assert!(up || seen.record.contains("degraded") || seen.record.contains("remembered"));
        }
    }
}
