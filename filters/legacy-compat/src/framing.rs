//! What an answer's headers say of its body.

use postern_core::{HeaderEdit, Headers, Response};

/// Is it a stream of events or messages?
pub(crate) fn is_stream(response: &Response<'_>) -> bool {
    let content_type = media_type(response.headers());
    content_type == "text/event-stream" || content_type.starts_with("application/grpc")
}

/// The media type in lower case, without parameters; empty if there is none.
pub(crate) fn media_type(headers: &Headers<'_>) -> String {
    let value = headers.get("content-type").unwrap_or_default();
    let text = String::from_utf8_lossy(value);
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Is this JSON?
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// What stands against reading the body as JSON, if anything.
pub(crate) fn unfit(response: &Response<'_>) -> Option<&'static str> {
    if !is_json(&media_type(response.headers())) {
        return Some("not_json");
    }
    if response.headers().get("content-range").is_some() {
        return Some("partial");
    }
    unknown_coding(response.headers()).then_some("unknown_coding")
}

/// Is the body in a coding that cannot be undone here?
pub(crate) fn unknown_coding(headers: &Headers<'_>) -> bool {
    headers.all("content-encoding").any(|value| {
        let coding = value.to_ascii_lowercase();
        !matches!(coding.as_slice(), b"" | b"identity" | b"gzip" | b"x-gzip")
    })
}

/// The length that the answer says its body has.
pub(crate) fn length(response: &Response<'_>) -> Option<usize> {
    let value = response.headers().get("content-length")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Is its body compressed with gzip?
pub(crate) fn is_packed(headers: &Headers<'_>) -> bool {
    headers
        .all("content-encoding")
        .any(|value| value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip"))
}

/// The header that announces trailers (RFC 9110 §6.6.2).
pub(crate) const TRAILER: &str = "trailer";

/// The edit of what announces trailers, if it names those that go with another body: the
/// shell takes them away (`remove_digests` in `postern-host`).
pub(crate) fn announced<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Option<HeaderEdit> {
    const GOING: [&str; 5] = ["content-digest", "repr-digest", "digest", "content-md5", "etag"];
    let values = headers.filter(|(name, _)| *name == TRAILER).map(|(_, value)| value);
    let names: Vec<&[u8]> = values
        .flat_map(|value| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
        .collect();
    let goes =
        |name: &&&[u8]| GOING.iter().any(|going| name.eq_ignore_ascii_case(going.as_bytes()));
    if !names.iter().any(|name| goes(&name)) {
        return None;
    }
    let left: Vec<&[u8]> = names.iter().filter(|name| !goes(name)).copied().collect();
    Some(match left.is_empty() {
        true => HeaderEdit::remove(TRAILER),
        false => HeaderEdit::set(TRAILER, left.join(&b", "[..])),
    })
}
