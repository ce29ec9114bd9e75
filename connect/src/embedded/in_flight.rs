//! Records that were handed to the producer and are not acknowledged yet.
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use courant_producer::{DeliveryFuture, RecordMetadata, SendError};
use courant_protocol::types::TopicName;

use crate::worker::{RawRecord, Ticket};

/// A record that would become a dead letter if Kafka refused it; it shares its bytes.
pub(crate) type Kept = Box<(TopicName, RawRecord)>;

/// One record on its way.
struct Flight {
    ticket: Ticket,
    /// A dead letter, not the record itself.
    is_letter: bool,
    kept: Option<Kept>,
    delivery: DeliveryFuture,
}

/// What became of a record.
pub(crate) struct Landed {
    pub(crate) ticket: Ticket,
    pub(crate) is_letter: bool,
    pub(crate) kept: Option<Kept>,
    pub(crate) result: Result<RecordMetadata, SendError>,
}

/// One line per source partition, as the offsets have: only the head of each is watched.
#[derive(Default)]
pub(crate) struct InFlight {
    lines: Vec<VecDeque<Flight>>,
    len: usize,
}

impl InFlight {
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        delivery: DeliveryFuture,
        is_letter: bool,
        kept: Option<Kept>,
    ) {
        let line = ticket.partition.0;
        while self.lines.len() <= line {
            self.lines.push(VecDeque::new());
        }
        if let Some(line) = self.lines.get_mut(line) {
            line.push_back(Flight { ticket, is_letter, kept, delivery });
            self.len += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes what has landed off the heads of all lines, up to a limit; pending if nothing has.
    pub(crate) fn poll_landed(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Landed>> {
        let mut landed = Vec::new();
        for line in &mut self.lines {
            while landed.len() < LANDED_MAX
                && let Some(flight) = line.front_mut()
                && let Poll::Ready(result) = Pin::new(&mut flight.delivery).poll(cx)
            {
                if let Some(Flight { ticket, is_letter, kept, .. }) = line.pop_front() {
                    landed.push(Landed { ticket, is_letter, kept, result });
                }
            }
        }
        self.len -= landed.len();
        if landed.is_empty() { Poll::Pending } else { Poll::Ready(landed) }
    }
}

/// So that acknowledgements do not keep a task from everything else.
const LANDED_MAX: usize = 10_000;
