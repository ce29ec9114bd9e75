//! Sending members out of their group (KIP-345).
use std::fmt;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::leave_group::MemberIdentity;
use courant_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, coordinator_retries, run};
use crate::error::Error;
use crate::results::Results;

/// A member that is to leave its group: a static member by its name, or any by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MemberToRemove {
    /// A static member, by its `group.instance.id`.
    Instance(String),
    /// A member by its id.
    Id(String),
}

impl MemberToRemove {
    /// A static member, by its `group.instance.id`.
    pub fn instance(group_instance_id: impl Into<String>) -> Self {
        Self::Instance(group_instance_id.into())
    }

    /// A member by its id, which [`Admin::describe_groups`] tells.
    pub fn id(member_id: impl Into<String>) -> Self {
        Self::Id(member_id.into())
    }
}

impl fmt::Display for MemberToRemove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "instance {name}"),
            Self::Id(id) => write!(f, "member {id}"),
        }
    }
}

impl Admin {
    /// Sends members out of a group; the group rebalances at once. A member that is still running joins again.
    ///
    /// `reason` stands in the coordinator's log (KIP-800).
    ///
    /// # Errors
    /// Each member has its own: [`UnknownMember`](crate::ErrorKind::UnknownMember) where the group has none like it, a
    /// missing permission, or whatever kept the call from being answered in time. Brokers before 2.4 remove members by id
    /// only.
    ///
    /// # Cancel safety
    /// When the future is dropped the members may be removed nevertheless: the request may be on its way.
    pub async fn remove_members(
        &self,
        group: impl Into<String>,
        members: impl IntoIterator<Item = MemberToRemove>,
        reason: &str,
    ) -> Results<MemberToRemove, ()> {
        let members: Vec<MemberToRemove> = members.into_iter().collect();
        let api = RemoveMembers { group: group.into(), reason: reason_on_the_wire(reason) };
        let results = run(self, &api, members.clone()).await;
        Results::new(members.into_iter().zip(results).collect())
    }

    /// Sends all members out of a group: those that it has at this moment.
    ///
    /// # Errors
    /// Whatever kept the group from being described, [`GroupNotFound`](crate::ErrorKind::GroupNotFound) for one. Each member
    /// has its own as in [`Self::remove_members`].
    ///
    /// # Cancel safety
    /// As [`Self::remove_members`].
    pub async fn remove_all_members(
        &self,
        group: impl Into<String>,
        reason: &str,
    ) -> Result<Results<MemberToRemove, ()>, Error> {
        let group = group.into();
        let described = self.describe_groups([group.clone()]).await.all()?;
        let members = described.into_iter().flat_map(|(_, description)| description.members);
        let identity = |member: crate::MemberDescription| match member.group_instance_id {
            Some(name) => MemberToRemove::Instance(name),
            None => MemberToRemove::Id(member.member_id),
        };
        Ok(self.remove_members(group, members.map(identity), reason).await)
    }
}

/// Java's words where there is no reason, and its limit (`JoinGroupRequest.maybeTruncateReason`).
fn reason_on_the_wire(reason: &str) -> String {
    let said = if reason.is_empty() {
        "member was removed by an admin".to_owned()
    } else {
        format!("member was removed by an admin: {reason}")
    };
    said.chars().take(255).collect()
}

struct RemoveMembers {
    group: String,
    reason: String,
}

impl Api for RemoveMembers {
    type Item = MemberToRemove;
    type Value = ();
    type Request = LeaveGroupRequest;

    const WHAT: &'static str = "remove the member";

    fn route(&self, _: &MemberToRemove) -> Route {
        Route::Coordinator(self.group.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn max_items(&self, version: i16) -> usize {
        if version >= 3 { usize::MAX } else { 1 }
    }

    fn request(&self, items: &[MemberToRemove], version: i16, _: i32) -> LeaveGroupRequest {
        let group_id = Str::from(self.group.as_str());
        if version < 3 {
            let member_id = match items.first() {
                Some(MemberToRemove::Id(id)) => Str::from(id.as_str()),
                // The coordinator knows no member without an id; the answer is not looked at.
                _ => Str::default(),
            };
            return LeaveGroupRequest { group_id, member_id, ..Default::default() };
        }
        let identity = |member: &MemberToRemove| {
            let (member_id, group_instance_id) = match member {
                MemberToRemove::Instance(name) => (Str::default(), Some(Str::from(name.as_str()))),
                MemberToRemove::Id(id) => (Str::from(id.as_str()), None),
            };
            let reason = (version >= 5).then(|| Str::from(self.reason.as_str()));
            MemberIdentity { member_id, group_instance_id, reason }
        };
        LeaveGroupRequest { group_id, members: items.iter().map(identity).collect(), ..Default::default() }
    }

    fn throttle_ms(response: &LeaveGroupResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[MemberToRemove],
        version: i16,
        response: LeaveGroupResponse,
    ) -> Vec<Option<Answer<()>>> {
        let answer = |item: &MemberToRemove| {
            if version < 3 && matches!(item, MemberToRemove::Instance(_)) {
                return Some(Err((ErrorCode::UNSUPPORTED_VERSION, None)));
            }
            if version < 3 || response.error_code != 0 {
                return Some(ErrorCode(response.error_code).into_result().map_err(|code| (code, None)));
            }
            let found = response.members.iter().find(|member| match item {
                MemberToRemove::Instance(name) => member.group_instance_id.as_deref() == Some(name),
                MemberToRemove::Id(id) => *member.member_id == **id,
            })?;
            Some(ErrorCode(found.error_code).into_result().map_err(|code| (code, None)))
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &MemberToRemove, error: courant_client::Error) -> courant_client::Error {
        error.at_group(format!("{}, {item}", self.group))
    }
}
