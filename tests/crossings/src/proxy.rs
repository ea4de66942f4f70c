//! The proxy's calls, and the block in which it leaves what it hands over.

#![allow(unsafe_code, missing_docs, static_mut_refs)]

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        k: *const u8,
        ks: usize,
        v: *const u8,
        vs: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        k: *const u8,
        ks: usize,
        v: *const u8,
        vs: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, k: *const u8, ks: usize) -> u32;
    fn proxy_get_property(path: *const u8, ps: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, ps: usize, v: *const u8, vs: usize) -> u32;
    fn proxy_get_shared_data(
        k: *const u8,
        ks: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(k: *const u8, ks: usize, v: *const u8, vs: usize, cas: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        ns: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

const SIZE: usize = 1 << 16;
static mut BLOCK: [u8; SIZE] = [0; SIZE];

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(_size: usize) -> *mut u8 {
    unsafe { BLOCK.as_mut_ptr() }
}

pub fn headers(map: u32) {
    let (mut data, mut size) = (core::ptr::null_mut(), 0);
    unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
}

pub fn replace(map: u32, name: &str, value: &str) {
    unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
}

pub fn add(map: u32, name: &str, value: &str) {
    unsafe {
        proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
}

pub fn remove(map: u32, name: &str) {
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
}

pub fn property(path: &str) {
    let (mut data, mut size) = (core::ptr::null_mut(), 0);
    unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
}

pub fn set_property(path: &str, value: &str) {
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

pub fn shared(key: &str) -> u32 {
    let (mut data, mut size, mut cas) = (core::ptr::null_mut(), 0, 0);
    unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut data, &raw mut size, &raw mut cas)
    };
    cas
}

pub fn set_shared(key: &str, value: &[u8], cas: u32) {
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
}

pub fn call_foreign(name: &str, argument: &[u8]) {
    let (mut data, mut size) = (core::ptr::null_mut(), 0);
    unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut data,
            &raw mut size,
        )
    };
}

pub fn now() {
    let mut time = 0;
    unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
}

pub fn configuration() -> &'static [u8] {
    const PLUGIN: u32 = 7;
    let (mut data, mut size) = (core::ptr::null_mut(), 0);
    unsafe {
        proxy_get_buffer_bytes(PLUGIN, 0, usize::MAX, &raw mut data, &raw mut size);
        core::slice::from_raw_parts(data, size)
    }
}
