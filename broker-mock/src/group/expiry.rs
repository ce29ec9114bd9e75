//! Offsets that expire (KIP-211), and groups that vanish with the last of them.
//!
//! Kafka looks through them every `offsets.retention.check.interval.ms`. Nobody waits for it, so here it happens when
//! the next request comes after such a time.
use courant_protocol::types::UnixMillis;
use courant_protocol::wire::Str;

use super::board::Moment;
use super::classic::{Group, State};
use super::coordinator::Groups;
use super::offsets::CommittedOffset;

impl Groups {
    pub(super) fn expire_offsets(&mut self, at: Moment) {
        let interval = self.board.settings.retention_check_interval;
        match self.next_expiry {
            Some(due) if due > at.now => {}
            Some(_) => {
                self.next_expiry = Some(at.now + interval);
                self.clean_up(at);
            }
            None => self.next_expiry = Some(at.now + interval),
        }
    }

    /// Drops expired offsets, then groups that have neither members nor offsets.
    fn clean_up(&mut self, at: Moment) {
        let retention = self.board.settings.offsets_retention_ms;
        let mut gone: Vec<Str> = Vec::new();
        for group in self.groups.values() {
            let wanted = |topic: &str, offset: &CommittedOffset| {
                let Some(since) = group.expires_since(topic, offset) else { return true };
                match offset.expires_at {
                    Some(expires_at) => at.unix < expires_at,
                    None => at.unix.0.saturating_sub(since.0) < retention,
                }
            };
            self.offsets.retain(&group.id, wanted);
            if group.state == State::Empty && self.offsets.of_group(&group.id).next().is_none() {
                gone.push(group.id.clone());
            }
        }
        for group in gone {
            self.groups.remove(&group);
        }
    }
}

impl Group {
    /// From when on an offset counts as unused; never while somebody may use it.
    fn expires_since(&self, topic: &str, offset: &CommittedOffset) -> Option<UnixMillis> {
        if self.is_subscribed_to(topic) {
            return None;
        }
        match self.state {
            _ if self.protocol_type.is_none() => Some(offset.committed_at),
            State::Empty => Some(self.state_since),
            State::Stable if self.is_consumer_group() && self.subscribed.is_some() => {
                Some(offset.committed_at)
            }
            _ => None,
        }
    }
}
