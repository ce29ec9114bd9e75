//! Frames from peers that lie, under an allocator that counts: no decoder may panic, or take much more memory than
//! the frame is long.
//!
//! The bound, 48 times the frame and 64 KiB, is for the peak of what a decoder keeps at any time. The allocator
//! counts the whole process, so that the tests take turns.
#![allow(clippy::expect_used, clippy::panic)]

mod seeds;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::wire::{DecodeError, DecodeErrorKind, Reader};
use peak_alloc::PeakAlloc;

use self::seeds::{Random, Seed};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static TURN: Mutex<()> = Mutex::new(());

/// Decodes a message, writes it again if it is one, and gives the peak of memory that decoding took.
fn peak_of_decoding(seed: &Seed, body: &Bytes) -> (usize, Option<DecodeErrorKind>) {
    let mut reader = Reader::new(body.clone());
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let error = if seed.request {
        AnyRequest::decode(seed.key, seed.version, &mut reader).err()
    } else {
        AnyResponse::decode(seed.key, seed.version, &mut reader).err()
    };
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    (peak, error.as_ref().map(DecodeError::kind))
}

fn assert_bounded(seed: &Seed, body: &Bytes) {
    let (peak, error) = peak_of_decoding(seed, body);
    let bound = 48 * body.len() + 64 * 1024;
    assert!(peak <= bound, "{seed}: {peak} bytes for a frame of {} ({error:?}): {body:?}", body.len());
}

#[test]
fn an_array_length_that_lies_costs_no_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // One array of bytes is all there is in this request, so that believing it would cost 4 GiB of address space.
    let seed = Seed { key: ApiKey::ListConfigResources, version: 1, request: true, body: Bytes::new() };
    for lie in [&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0][..], &[0x80, 0x80, 0x80, 0x80, 0x08, 0, 0]] {
        let (peak, error) = peak_of_decoding(&seed, &Bytes::copy_from_slice(lie));
        assert!(peak < 1 << 20, "{peak} bytes for an array that is not there");
        assert!(matches!(error, Some(DecodeErrorKind::ArrayTooLong { .. })), "{error:?}");
    }
    let lies =
        [[0xff_u8, 0xff, 0xff, 0xff, 0x0f], [0x7f, 0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff, 0x07]];
    for seed in seeds::newest() {
        for (place, lie) in (0..seed.body.len()).flat_map(|place| lies.map(|lie| (place, lie))) {
            let mut body = seed.body.to_vec();
            body.splice(place..(place + 5).min(seed.body.len()), lie);
            let (peak, error) = peak_of_decoding(&seed, &body.into());
            assert!(peak < 1 << 20, "{seed}: {peak} bytes ({error:?})");
        }
    }
}

#[test]
fn truncated_frames_are_errors_and_cost_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for seed in seeds::all() {
        for length in 0..seed.body.len().min(200) {
            assert_bounded(&seed, &seed.body.slice(..length));
        }
    }
}

#[test]
fn mutated_frames_cost_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Random(0x5eed);
    for seed in seeds::all() {
        for _ in 0..24 {
            assert_bounded(&seed, &random.mutate(&seed.body));
        }
    }
}

#[test]
fn random_frames_cost_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Random(0xfeed);
    for seed in seeds::all() {
        for _ in 0..8 {
            let length = random.below(300);
            assert_bounded(&seed, &random.bytes(length, 256));
            assert_bounded(&seed, &random.bytes(length, 3));
        }
    }
}

/// A frame that is honest about its length, full of the smallest elements there are.
#[test]
fn large_arrays_of_tiny_elements_cost_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Random(0xa55);
    let filler_len = 8 * 1024;
    let lengths: [&[u8]; 4] = [&[0, 0, 0x1f, 0xff], &[0, 0, 0x02, 0x00], &[0xff, 0x3f], &[0xff, 0x07]];
    for seed in seeds::newest() {
        for _ in 0..12 {
            let cut = random.below(seed.body.len() + 1);
            for length in lengths {
                let mut body = seed.body.slice(..cut).to_vec();
                body.extend(length);
                body.resize(body.len() + filler_len, (random.below(3)) as u8);
                assert_bounded(&seed, &body.into());
            }
        }
    }
}
