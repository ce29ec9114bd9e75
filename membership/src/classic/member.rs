//! Who a member is, and what it tells and hears of the others.
use bytes::Bytes;

/// A member's place in its group (Java's `Generation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The round of joining that the member took part in; -1 for none.
    pub generation_id: i32,
    /// The id that the coordinator gave to the member; empty for none.
    pub member_id: String,
    /// The protocol that the group agreed on in that round.
    pub protocol_name: Option<String>,
}

impl Member {
    /// Somebody whom the coordinator does not know.
    pub const NONE: Self = Self { generation_id: -1, member_id: String::new(), protocol_name: None };

    /// Whether the coordinator counts it among the members, as far as it knows itself.
    pub fn has_generation(&self) -> bool {
        self.generation_id >= 0 && !self.member_id.is_empty()
    }
}

/// A protocol that a member offers, and what it wants the leader to know if the group agrees on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, such as `range`.
    pub name: String,
    /// What the leader is told.
    pub metadata: Bytes,
}

/// All that a leader needs to divide the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The protocol that the group agreed on.
    pub protocol_name: String,
    /// The generation that the assignment is for.
    pub generation_id: i32,
    /// The leader's own id.
    pub leader_id: String,
    /// All members, the leader too.
    pub members: Vec<ElectionMember>,
    /// The assignment of the generation before stays (KIP-814): a static leader has come back, and only watches over the
    /// topics of the group. An empty assignment is to be given.
    pub skip_assignment: bool,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionMember {
    /// Its id.
    pub member_id: String,
    /// Its name, if it is static.
    pub group_instance_id: Option<String>,
    /// What it told.
    pub metadata: Bytes,
}
