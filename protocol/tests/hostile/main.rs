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
        for (place, lie) in (0..seed.body.len().min(300)).flat_map(|place| lies.map(|lie| (place, lie))) {
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

/// Arrays inside arrays, each of which claims as much as the rest of the frame could hold: found by keeping every
/// change of a frame that makes its decoder take more.
#[test]
fn frames_bred_for_memory_cost_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for seed in seeds::newest() {
        let mut best = seed.body.to_vec();
        let places = best.len().min(80);
        best.resize(places + 5 * 1024, 1);
        let mut highest = 0;
        for (place, shift) in
            [0, 2].into_iter().flat_map(|shift| (0..places).map(move |place| (place, shift)))
        {
            let claim = (best.len() - place - 4) >> shift;
            let varint = [(claim & 0x7f) as u8 | 0x80, (claim >> 7) as u8 & 0x7f];
            let fixed = (claim as u32).to_be_bytes();
            for length in [&varint[..], &fixed] {
                let mut body = best.clone();
                body.splice(place..place + length.len(), length.iter().copied());
                let body = Bytes::from(body);
                let (peak, _) = peak_of_decoding(&seed, &body);
                assert_bounded(&seed, &body);
                if peak > highest {
                    (highest, best) = (peak, body.to_vec());
                }
            }
        }
    }
}
