//! Request frames of every API and version.
#![no_main]

#[allow(dead_code)]
#[path = "../src/frames.rs"]
mod frames;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    frames::run_request(bytes);
});
