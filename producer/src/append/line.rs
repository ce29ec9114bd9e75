//! Records that wait for buffer space, and are put into the room by the driver.
//!
//! Who waits with a future of its own ([`Permits::acquire`]) takes its bytes when that future is polled. A record in the
//! line needs nobody to poll: the driver puts it where it belongs when its turn has come, so that many senders of which
//! one is awaited at a time still fill their batches. Both stand in one line, and are served strictly in order.
use std::ops::Range;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use super::permits::{Permit, Permits};
use super::room::Room;

/// A record that waits, whoever sends it.
pub(crate) trait Applicant: Send + Sync {
    /// Its turn has come: puts the record into the room, and tells the sender. `Ok` if that is settled, one way or the
    /// other; else so many bytes are missing, which it gets by the next call.
    fn apply(&self, room: &Room, permit: Option<Permit>) -> Result<(), usize>;

    /// It has waited for as long as it may: tells the sender.
    fn expire(&self);

    /// Its topic is known, or the producer was closed: it takes its place in the line.
    fn join_line(self: Arc<Self>, room: &Room);
}

/// A place in the line; dropping it leaves the line, unless whoever serves the line sees to that.
pub(crate) struct Place {
    permits: Arc<Permits>,
    ticket: u64,
    /// Nobody stood there, or nobody gives up so soon: the driver may sleep for too long, and has to be told.
    pub(crate) has_to_ring: bool,
    is_served: bool,
}

/// Whose turn it is.
pub(super) struct Front {
    pub(super) ticket: u64,
    pub(super) applicant: Arc<dyn Applicant>,
}

impl Place {
    /// The end of the line, for a record that misses so many bytes, and waits from when until when at the latest;
    /// `None` if nobody serves the line any more. Who [has to](Self::has_to_ring) rings the bell.
    pub(crate) fn take(
        permits: &Arc<Permits>,
        bytes: usize,
        waits: Range<Instant>,
        applicant: Arc<dyn Applicant>,
    ) -> Option<Self> {
        let (ticket, has_to_ring) = permits.enter(bytes, waits, applicant)?;
        Some(Self { permits: Arc::clone(permits), ticket, has_to_ring, is_served: false })
    }

    /// Whoever serves the line takes it out.
    pub(crate) fn served(mut self) {
        self.is_served = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_served {
            self.permits.leave(self.ticket);
        }
    }
}

impl Room {
    /// Serves the line as far as there is space, up to `limit` records, and says whether there was anything to do. `cx` is
    /// woken once there may be more.
    pub(crate) fn serve_line(&self, cx: &mut Context<'_>, now: Instant, limit: usize) -> bool {
        let permits = &self.supplies.permits;
        let (mut fronts, mut tried) = (Vec::new(), 0);
        while tried < limit {
            if permits.poll_fronts(cx, &mut fronts).is_pending() {
                return tried > 0;
            }
            let served = fronts.iter().take_while(|front| self.serve(front, now)).count();
            if let Some(last) = fronts.iter().take(served).next_back() {
                permits.leave_up_to(last.ticket, now);
            }
            tried += served.max(1);
            fronts.clear();
        }
        true
    }

    /// Says whether this is settled, one way or the other.
    fn serve(&self, Front { ticket, applicant }: &Front, now: Instant) -> bool {
        let mut permit = None;
        // Most records fit into a batch that is open already, and need no bytes.
        while let Err(missing) = applicant.apply(self, permit) {
            permit = self.supplies.permits.take_for(*ticket, missing, now);
            if permit.is_none() {
                return false;
            }
        }
        true
    }

    /// Tells up to `limit` records of the line that they have waited for as long as they may, and says whether there were
    /// any.
    pub(crate) fn expire_line(&self, now: Instant, limit: usize) -> bool {
        for expired in 0..limit {
            let Some(applicant) = self.supplies.permits.take_expired(now) else { return expired > 0 };
            applicant.expire();
        }
        true
    }

    /// Turns away whoever waits, and whoever would from now on. The gate is closed.
    pub(crate) fn turn_away(&self) {
        self.let_all_in();
        for Front { ticket, applicant } in self.supplies.permits.close_line() {
            let told = applicant.apply(self, None);
            debug_assert!(told.is_ok(), "a closed gate asks for no bytes");
            self.supplies.permits.leave(ticket);
        }
    }
}
