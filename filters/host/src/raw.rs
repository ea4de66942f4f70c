//! Host calls that the SDK offers only together with its dispatcher, or only with copies of
//! what is read, or in another form than is needed: the same imports, read in place.

// The one place where pointers cross the boundary.
#![allow(unsafe_code)]

use std::time::Duration;

use postern_core::Unreadable;
use postern_core::pairs::Pairs;
use proxy_wasm::types::MapType;

/// The proxy's *ok*; every other number is some failure.
const OK: u32 = 0;
/// But for this one: it has the value, and no form for it.
const SERIALIZATION_FAILURE: u32 = 3;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(nanoseconds: *mut u64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        milliseconds: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Since the Unix epoch.
pub(crate) fn now() -> Duration {
    let mut nanoseconds = 0;
    // SAFETY: the proxy writes the number before it answers.
    if unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) } != OK {
        // Whatever number stood here, something would be good that is not: a proxy without a
        // clock gets a trap, as with the SDK. Envoy has one.
        std::process::abort();
    }
    Duration::from_nanos(nanoseconds)
}

/// All headers of a map; none if the proxy has no such map now.
pub(crate) fn header_map(map: MapType) -> Pairs {
    // SAFETY: the proxy writes both words before it answers.
    let bytes =
        received(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) });
    Pairs::from_bytes(bytes.unwrap_or_default())
}

/// A property; its path's parts are joined by NULs.
pub(crate) fn property(path: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: the path outlives the call; the proxy writes both words.
    received(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// The same, told apart from one that is there and that the proxy cannot hand out.
#[cold]
pub(crate) fn readable_property(path: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut status = OK;
    let value = received(|data, size| {
        // SAFETY: the path outlives the call; the proxy writes both words.
        status = unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) };
        status
    });
    if status == SERIALIZATION_FAILURE { Err(Unreadable) } else { Ok(value) }
}

/// Sets a property of one part; `false` if the proxy would not.
pub(crate) fn set_property(name: &str, value: &[u8]) -> bool {
    // SAFETY: both outlive the call, which keeps no pointer.
    let status =
        unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    status == OK
}

/// Sends a callout; its token, by which the answer is known.
pub(crate) fn http_call(
    cluster: &str,
    headers: &Pairs,
    body: &[u8],
    deadline: Duration,
) -> Option<u32> {
    let (headers, trailers) = (headers.as_bytes(), Pairs::new::<&str, &str>(&[]));
    let milliseconds = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: all of them outlive the call, which keeps no pointer.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_bytes().as_ptr(),
            trailers.as_bytes().len(),
            milliseconds,
            &raw mut token,
        )
    };
    (status == OK).then_some(token)
}

/// Answers in the place of the message at hand; `false` if the proxy would not,
/// where the SDK traps.
pub(crate) fn send_local_response(status: u32, headers: &Pairs, body: &[u8]) -> bool {
    const NO_GRPC_STATUS: i32 = -1;
    let headers = headers.as_bytes();
    // SAFETY: all of them outlive the call, which keeps no pointer.
    let answer = unsafe {
        proxy_send_local_response(
            status,
            std::ptr::null(),
            0,
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    };
    answer == OK
}

/// What a call hands over: a block that the module's own allocator has made for
/// it, which is ours from then on.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: `proxy_on_memory_allocate` made a boxed slice of exactly this size.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}
