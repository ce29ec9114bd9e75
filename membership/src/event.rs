//! What every membership protocol has to tell the owner of an assignment.
use bytes::Bytes;
use courant_client::Error;

use crate::classic::Election;

/// Something that the owner of the assignment has to do.
#[derive(Clone, Debug)]
pub enum MembershipEvent {
    /// The group rebalances. What the protocol does not let a member keep meanwhile is to be given up; until
    /// `revoked_done` it still belongs to the member, and offsets can be committed for it.
    Revoke,
    /// The group went on without this member: all that it had is gone, and nothing can be committed for it. A
    /// [`Self::Revoke`] that was not dealt with yet is replaced by it. To be answered with `revoked_done`.
    Lost,
    /// The member leads the group and has to divide the work; to be answered with `elected`. (Classic protocol only.)
    Elect(Election),
    /// The member's share; to be answered with `assigned_done`.
    Assign(Assigned),
    /// The group refuses the member. The machine rests until `retry`, or for good if the member was fenced.
    Fatal(Error),
    /// The coordinator refuses heartbeats, for a reason that does not go away by itself. Told once until it takes one again;
    /// the machine goes on trying, and nothing is to be answered.
    Unheard(Error),
}

/// A member's share of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// What the leader (or the coordinator) gave to this member, in the form that the owner's protocol defines.
    pub assignment: Bytes,
    /// The generation of the group that it belongs to.
    pub generation_id: i32,
    /// The protocol that the group agreed on.
    pub protocol_name: String,
}
