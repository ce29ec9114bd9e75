//! One direction of a connection: what is under way, when it arrives, and where it breaks.
use crate::frames::{Frames, Piece};
use crate::link::LinkFaults;
use bytes::{Bytes, BytesMut};
use courant_runtime::Rng;
use std::collections::VecDeque;
use std::time::Instant;

/// What is under way in one direction, in order.
#[derive(Debug)]
pub(crate) struct Lane {
    direction: Direction,
    frames: Frames,
    /// After this many bytes of the current frame the connection breaks.
    break_after: Option<u64>,
    parcels: VecDeque<Parcel>,
    bytes_under_way: usize,
    last_arrival: Option<Instant>,
}

/// Which way a lane leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

#[derive(Debug)]
struct Parcel {
    arrives: Instant,
    load: Load,
}

/// What arrives.
#[derive(Debug, PartialEq)]
pub(crate) enum Load {
    Bytes(Bytes),
    /// The sender will send no more.
    End,
    /// The connection breaks.
    Break,
}

impl Lane {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            direction,
            frames: Frames::default(),
            break_after: None,
            parcels: VecDeque::new(),
            bytes_under_way: 0,
            last_arrival: None,
        }
    }

    /// Puts what was read on its way; gives the first bytes of each frame that starts in it, for the trace.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        read: &mut BytesMut,
        faults: &LinkFaults,
        rng: &mut Rng,
    ) -> Vec<(u64, Bytes)> {
        let mut started = Vec::new();
        while let Some(piece) = self.frames.next(read) {
            let bytes = match piece {
                Piece::Start { total, bytes } => {
                    started.push((total, bytes.clone()));
                    self.break_after = self.draw_break(total, faults, rng);
                    bytes
                }
                Piece::More(bytes) => bytes,
            };
            self.send_piece(now, bytes, faults, rng);
        }
        started
    }

    /// The sender has ended after what it sent so far.
    pub(crate) fn end(&mut self, now: Instant) {
        let rest = self.frames.rest();
        if !rest.is_empty() {
            self.push(now, Load::Bytes(rest));
        }
        self.push(now, Load::End);
    }

    fn draw_break(&self, total: u64, faults: &LinkFaults, rng: &mut Rng) -> Option<u64> {
        match self.direction {
            Direction::Request => rng.chance(faults.cut_request).then(|| {
                // Half of the cuts come after the whole request: the broker applies it, and nobody hears of it.
                if rng.chance(0.5) { total } else { rng.below(total) }
            }),
            Direction::Response => rng.chance(faults.cut_response).then(|| rng.below(total)),
        }
    }

    fn send_piece(&mut self, now: Instant, mut bytes: Bytes, faults: &LinkFaults, rng: &mut Rng) {
        let breaks = match &mut self.break_after {
            Some(left) if *left <= bytes.len() as u64 => {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                true
            }
            Some(left) => {
                *left -= bytes.len() as u64;
                false
            }
            None => false,
        };
        let parts = if rng.chance(faults.split) { 2 + rng.below(3) } else { 1 };
        for left in (1..=parts).rev() {
            let share = if left == 1 { bytes.len() } else { rng.below(bytes.len() as u64 + 1) as usize };
            let part = bytes.split_to(share);
            if !part.is_empty() {
                self.push(now + faults.delay(rng), Load::Bytes(part));
            }
        }
        if breaks {
            self.break_after = None;
            self.push(now + faults.delay(rng), Load::Break);
        }
    }

    fn push(&mut self, arrives: Instant, load: Load) {
        // Bytes of one connection never overtake each other.
        let arrives = self.last_arrival.map_or(arrives, |last| last.max(arrives));
        self.last_arrival = Some(arrives);
        if let Load::Bytes(bytes) = &load {
            self.bytes_under_way += bytes.len();
        }
        self.parcels.push_back(Parcel { arrives, load });
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// When the next parcel arrives.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.parcels.front().map(|parcel| parcel.arrives)
    }

    /// What has arrived.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Load> {
        if self.next_arrival()? > now {
            return None;
        }
        let load = self.parcels.pop_front()?.load;
        if let Load::Bytes(bytes) = &load {
            self.bytes_under_way -= bytes.len();
        }
        Some(load)
    }

    /// The receiver took only a part: the rest waits at its door.
    pub(crate) fn give_back(&mut self, now: Instant, bytes: Bytes) {
        self.bytes_under_way += bytes.len();
        self.parcels.push_front(Parcel { arrives: now, load: Load::Bytes(bytes) });
    }

    /// Whether the sender has to wait, as behind a full socket.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes_under_way >= MOST_UNDER_WAY
    }
}

/// How many bytes of one direction may be under way.
const MOST_UNDER_WAY: usize = 256 * 1024;
