//! A rate-limit service (`envoy.service.ratelimit.v3`) as thin as can be: which limit
//! is meant says a file, what is left says Redis, in one step for all descriptors of a
//! question.

mod grpc;
mod limits;
mod messages;
mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use prost::Message as _;

use grpc::Status;
use limits::{Found, Limits};
use messages::{
    DescriptorStatus, Duration, HeaderValue, OK, OVER_LIMIT, RateLimit, RateLimitRequest,
    RateLimitResponse,
};
use redis::{Count, Counted, Redis};

/// How clients of the service are told what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A status for each descriptor.
    Statuses,
    /// Headers for the client (draft 3), of the tightest.
    Headers,
}

/// What it is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limits, as their file says them.
    pub limits: String,
    /// `host:port` of Redis.
    pub redis: String,
    /// How it reports.
    pub report: Report,
}

impl Settings {
    /// As the variables `POSTERN_RLS_…` say.
    ///
    /// # Errors
    /// A variable is missing, or its file cannot be read.
    pub fn from_environment() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let path = variable("POSTERN_RLS_LIMITS")
            .ok_or("POSTERN_RLS_LIMITS: expected the path of a file of limits")?;
        let limits = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let report = match variable("POSTERN_RLS_REPORT").as_deref() {
            None | Some("statuses") => Report::Statuses,
            Some("headers") => Report::Headers,
            Some(other) => {
                let found = format!("expected `statuses` or `headers`, but found `{other}`");
                return Err(format!("POSTERN_RLS_REPORT: {found}"));
            }
        };
        let redis = variable("POSTERN_RLS_REDIS").unwrap_or_else(|| "127.0.0.1:6379".to_owned());
        Ok(Settings { limits, redis, report })
    }
}

struct Service {
    limits: Limits,
    redis: Redis,
    report: Report,
    asked: AtomicU64,
}

/// The service.
///
/// # Errors
/// The limits are none.
pub fn router(settings: Settings) -> Result<Router, String> {
    let Settings { limits, redis, report } = settings;
    let service = Service {
        limits: Limits::parse(&limits)?,
        redis: Redis::new(redis),
        report,
        asked: AtomicU64::new(0),
    };
    Ok(Router::new()
        .route("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", post(should_limit))
        .route("/__health", get(health))
        .route("/__asked", get(asked))
        .with_state(Arc::new(service)))
}

/// Well, if Redis answers.
async fn health(
    State(service): State<Arc<Service>>,
) -> Result<&'static str, (axum::http::StatusCode, String)> {
    match service.redis.ping().await {
        Ok(()) => Ok("ok\n"),
        Err(e) => Err((axum::http::StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n"))),
    }
}

/// How many questions it has answered.
async fn asked(State(service): State<Arc<Service>>) -> String {
    format!("{}\n", service.asked.load(Ordering::Relaxed))
}

async fn should_limit(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    let answer = service.answer(&body).await;
    service.asked.fetch_add(1, Ordering::Relaxed);
    match answer {
        Ok(response) => grpc::reply(&response.encode_to_vec()),
        Err(status) => grpc::failure(&status),
    }
}

impl Service {
    async fn answer(&self, body: &[u8]) -> Result<RateLimitResponse, Status> {
        let request = grpc::message(body)?;
        let request = RateLimitRequest::decode(request)
            .map_err(|e| Status::new(grpc::INVALID_ARGUMENT, e.to_string()))?;
        // As Limitador answers it.
        if request.domain.is_empty() {
            return Ok(RateLimitResponse::default());
        }
        let found: Vec<Option<Found>> =
            request.descriptors.iter().map(|d| self.limits.find(&request.domain, d)).collect();
        let counts = found.iter().zip(&request.descriptors).filter_map(|(found, descriptor)| {
            let Found { key, requests, seconds, .. } = found.as_ref()?;
            let own = descriptor.hits_addend.as_ref().map(|hits| hits.value);
            let hits = own.unwrap_or_else(|| u64::from(request.hits_addend.max(1)));
            Some(Count { key: key.clone(), requests: *requests, seconds: *seconds, hits })
        });
        let counts: Vec<Count> = counts.collect();
        let counted = self.redis.count(&counts).await;
        let counted = counted.map_err(|e| Status::new(grpc::UNAVAILABLE, e))?;
        Ok(self.report(&found, &counted))
    }

    fn report(&self, found: &[Option<Found>], counted: &[Counted]) -> RateLimitResponse {
        let mut counted = counted.iter();
        let both: Vec<Option<(&Found, &Counted)>> = found
            .iter()
            .map(|found| found.as_ref().and_then(|found| counted.next().map(|c| (found, c))))
            .collect();
        let over = both.iter().flatten().any(|(_, counted)| counted.over);
        let overall_code = if over { OVER_LIMIT } else { OK };
        let mut response = RateLimitResponse { overall_code, ..RateLimitResponse::default() };
        match self.report {
            Report::Statuses => response.statuses = both.iter().map(status).collect(),
            Report::Headers => {
                let tightest = both.iter().flatten().min_by_key(|(_, c)| (!c.over, c.remaining));
                response.response_headers_to_add =
                    tightest.map(|(found, counted)| headers(found, counted)).unwrap_or_default();
            }
        }
        response
    }
}

fn status(both: &Option<(&Found, &Counted)>) -> DescriptorStatus {
    let Some((found, counted)) = both else {
        return DescriptorStatus { code: OK, ..DescriptorStatus::default() };
    };
    let unit = limits::UNITS.iter().find(|(.., seconds)| *seconds == found.seconds);
    DescriptorStatus {
        code: if counted.over { OVER_LIMIT } else { OK },
        current_limit: Some(RateLimit {
            requests_per_unit: u32::try_from(found.requests).unwrap_or(u32::MAX),
            unit: unit.map_or(0, |(_, unit, _)| *unit),
            name: found.name.clone(),
        }),
        limit_remaining: u32::try_from(counted.remaining).unwrap_or(u32::MAX),
        duration_until_reset: Some(Duration {
            seconds: i64::try_from(counted.reset / 1_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(counted.reset % 1_000).unwrap_or(0) * 1_000_000,
        }),
    }
}

fn headers(found: &Found, counted: &Counted) -> Vec<HeaderValue> {
    let Found { requests, seconds, name, .. } = found;
    let reset = counted.reset.div_ceil(1_000);
    [
        ("x-ratelimit-limit", format!("{requests}, {requests};w={seconds};name=\"{name}\"")),
        ("x-ratelimit-remaining", counted.remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ]
    .map(|(key, value)| HeaderValue { key: key.to_owned(), value })
    .to_vec()
}
