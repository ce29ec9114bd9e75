//! The protocol that consumers speak inside JoinGroup and SyncGroup.
#![no_main]

#[path = "../src/embedded.rs"]
mod embedded;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    embedded::run(bytes);
});
