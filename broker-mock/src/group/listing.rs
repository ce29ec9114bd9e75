//! What administrators see of groups and do to them: describe, list, delete, and delete offsets.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_groups::DescribedGroup;
use courant_protocol::messages::list_groups::ListedGroup;
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use super::board::Moment;
use super::classic::{Group, State};
use super::coordinator::Groups;
use super::member::Member;

/// The type that ListGroups gives groups of this protocol (KIP-848).
const CLASSIC: &str = "classic";

/// A group as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MockGroup {
    /// Kafka's name of its state: `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`.
    pub state: &'static str,
    /// The type of its protocol; none where a group only keeps offsets.
    pub protocol_type: Option<String>,
    /// The protocol that its members have agreed on.
    pub protocol_name: Option<String>,
    /// Its generation.
    pub generation: i32,
    /// The member id of its leader.
    pub leader: Option<String>,
    /// Its members, in the order of their ids.
    pub members: Vec<MockMember>,
    /// How many member ids were given out whose owners did not come back yet (KIP-394).
    pub pending: usize,
}

/// A member of a group as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MockMember {
    /// Its id.
    pub member_id: String,
    /// What makes it static.
    pub instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// The last generation that it has joined, -1 before the first; behind the group's where the group went on without a
    /// static member that was late.
    pub generation: i32,
}

impl MockGroup {
    /// Whether this member belongs to the present generation: what it commits is taken, and what the group gave it is its
    /// own. A static member that was late to join stays in the group without.
    pub fn counts(&self, member_id: &str) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.member_id == member_id && member.generation == self.generation)
    }
}

impl Groups {
    /// The group as DescribeGroups shows it; `None` if there is none.
    pub(crate) fn describe(&self, group: &str) -> Option<DescribedGroup> {
        self.groups.get(group).map(Group::described)
    }

    /// The groups of one coordinator, of these states and types; an empty list lets all pass.
    pub(crate) fn list(&self, node: NodeId, states: &[Str], types: &[Str]) -> Vec<ListedGroup> {
        let fits = |wanted: &[Str], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let here = self.groups.values().filter(|group| group.node == node);
        here.filter(|group| fits(states, group.state.name()) && fits(types, CLASSIC))
            .map(|group| ListedGroup {
                group_id: group.id.clone(),
                protocol_type: group.protocol_type.clone().unwrap_or_default(),
                group_state: Str::from_static(group.state.name()),
                group_type: Str::from_static(CLASSIC),
            })
            .collect()
    }

    /// Deletes a group without members, and its offsets.
    pub(crate) fn delete(&mut self, group: &str) -> Result<(), ErrorCode> {
        let known = self.groups.get(group).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if known.state != State::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.offsets.delete_group(group);
        self.groups.remove(group);
        Ok(())
    }

    /// Whether offsets of the group may be deleted at all: where members are consumers it can be said which they use.
    pub(crate) fn check_offset_delete(&self, group: &str) -> Result<(), ErrorCode> {
        let group = self.groups.get(group).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state == State::Empty || group.is_consumer_group() {
            Ok(())
        } else {
            Err(ErrorCode::NON_EMPTY_GROUP)
        }
    }

    /// Deletes the offset of a partition to whose topic nobody in the group subscribes.
    pub(crate) fn delete_offset(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        if self.groups.get(group).is_some_and(|group| group.is_subscribed_to(topic)) {
            return Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
        }
        self.offsets.delete(group, topic, partition);
        Ok(())
    }

    /// The ids of all groups, whoever coordinates them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &Str> {
        self.groups.keys()
    }

    /// The group as a test sees it.
    pub(crate) fn view(&self, group: &str) -> Option<MockGroup> {
        let group = self.groups.get(group)?;
        let text = |text: &Option<Str>| text.as_deref().map(str::to_owned);
        let member = |member: &Member| MockMember {
            member_id: member.id.to_string(),
            instance_id: text(&member.instance_id),
            client_id: member.client_id.to_string(),
            generation: member.generation,
        };
        Some(MockGroup {
            state: group.state.name(),
            protocol_type: text(&group.protocol_type),
            protocol_name: text(&group.protocol_name),
            generation: group.generation,
            leader: text(&group.leader),
            members: group.members.values().map(member).collect(),
            pending: group.pending_join.len(),
        })
    }

    /// From now on the signs of life of a member, found by member id or instance id, count or do not.
    pub(crate) fn pause_member(&mut self, group: &str, member: &str, is_paused: bool) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let id = group.static_members.get(member).cloned().unwrap_or_else(|| Str::from(member));
        let found = group.members.get_mut(&id);
        found.map(|member| member.is_paused = is_paused).is_some()
    }

    /// Ends a member's session now, found by member id or instance id.
    pub(crate) fn expire_member(&mut self, at: Moment, group: &str, member: &str) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let id = group.static_members.get(member).cloned().unwrap_or_else(|| Str::from(member));
        if !group.members.contains_key(&id) {
            return false;
        }
        group.dismiss(&mut self.board, &id);
        group.after_departure(&mut self.board, at);
        true
    }
}

impl Group {
    fn described(&self) -> DescribedGroup {
        let settled = self.protocol_name.as_deref().filter(|_| self.state == State::Stable);
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: Str::from_static(self.state.name()),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: settled.map(Str::from).unwrap_or_default(),
            members: self.members.values().map(|member| member.described(settled)).collect(),
            ..Default::default()
        }
    }
}
