//! The corpus of the fuzz targets, replayed.
#![allow(clippy::expect_used, clippy::panic, unreachable_pub)] // The targets are shared with the fuzzer.

#[path = "../fuzz/src/embedded.rs"]
mod embedded;
#[path = "../fuzz/src/frames.rs"]
mod frames;

/// Runs `target` on every file and gives how many of them are frames, and how many are not.
fn replay(corpus: &str, target: fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = format!("{}/fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
    let (mut good, mut bad) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let is_frame = target(&std::fs::read(&path).expect("a file"));
        assert_eq!(is_frame, !name.starts_with("bad-"), "{name}");
        *(if is_frame { &mut good } else { &mut bad }) += 1;
    }
    (good, bad)
}

/// Runs `target` on spoilt copies of every file: one byte is another one, in as many places as a run allows.
fn replay_spoilt(corpus: &str, target: fn(&[u8]) -> bool) -> usize {
    let folder = format!("{}/fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
    let mut still_good = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let mut bytes = std::fs::read(entry.expect("a file").path()).expect("a file");
        for place in 0..bytes.len() {
            for wrong in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let right = std::mem::replace(&mut bytes[place], wrong);
                still_good += usize::from(target(&bytes));
                bytes[place] = right;
            }
        }
    }
    still_good
}

#[test]
fn what_can_be_read_of_spoilt_frames_can_be_written_and_read_again() {
    assert!(replay_spoilt("request_frame", frames::run_request) > 10_000);
    assert!(replay_spoilt("response_frame", frames::run_response) > 10_000);
    assert!(replay_spoilt("embedded", embedded::run) > 2_000);
}

#[test]
fn the_corpus_of_request_frames_is_read_or_refused() {
    let (good, bad) = replay("request_frame", frames::run_request);
    assert!(good >= 91 && bad >= 8, "{good} good, {bad} bad");
}

#[test]
fn the_corpus_of_response_frames_is_read_or_refused() {
    let (good, bad) = replay("response_frame", frames::run_response);
    assert!(good >= 91 && bad >= 4, "{good} good, {bad} bad");
}

#[test]
fn the_corpus_of_the_embedded_protocol_is_read_or_refused() {
    let (good, bad) = replay("embedded", embedded::run);
    assert!(good >= 46 && bad >= 4, "{good} good, {bad} bad");
}
