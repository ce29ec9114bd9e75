//! The groups of a cluster: listed at every broker, deleted at their coordinators.
use std::collections::BTreeMap;
use std::fmt;

use courant_client::Cluster;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::list_groups::ListedGroup;
use courant_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, ListGroupsRequest, ListGroupsResponse,
};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, coordinator_retries, run, run_within};
use crate::error::Error;
use crate::results::Results;

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GroupState {
    /// The broker did not say, or has a state that is newer than this client.
    Unknown,
    /// It waits for its members to join again (classic).
    PreparingRebalance,
    /// Its members wait for their assignment (classic).
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// It is being deleted, or is not there.
    Dead,
    /// It has no members; its offsets are still there.
    Empty,
    /// Its assignment is being computed (KIP-848).
    Assigning,
    /// Its members are taking over their assignment (KIP-848).
    Reconciling,
    /// It lacks something before it can begin (KIP-1071).
    NotReady,
}

impl GroupState {
    // tidy: one table
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::PreparingRebalance, "PreparingRebalance"),
        (Self::CompletingRebalance, "CompletingRebalance"),
        (Self::Stable, "Stable"),
        (Self::Dead, "Dead"),
        (Self::Empty, "Empty"),
        (Self::Assigning, "Assigning"),
        (Self::Reconciling, "Reconciling"),
        (Self::NotReady, "NotReady"),
    ];

    pub(crate) fn from_wire(name: &str) -> Self {
        let known = Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        known.map_or(Self::Unknown, |(state, _)| *state)
    }
}

impl fmt::Display for GroupState {
    /// Kafka's name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::NAMES.iter().find(|(state, _)| state == self);
        f.write_str(known.map_or("Unknown", |(_, name)| name))
    }
}

/// Which protocol the members of a group speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GroupType {
    /// The broker has a type that is newer than this client.
    Unknown,
    /// JoinGroup and SyncGroup: consumers, Connect's workers, Streams, and groups that only have offsets.
    Classic,
    /// The newer protocol of consumers (KIP-848).
    Consumer,
    /// Share consumers (KIP-932).
    Share,
    /// The newer protocol of Streams (KIP-1071).
    Streams,
}

impl GroupType {
    // tidy: one table
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Classic, "classic"),
        (Self::Consumer, "consumer"),
        (Self::Share, "share"),
        (Self::Streams, "streams"),
    ];

    fn from_wire(name: &str) -> Self {
        let known = Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        known.map_or(Self::Unknown, |(group_type, _)| *group_type)
    }
}

impl fmt::Display for GroupType {
    /// Kafka's name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::NAMES.iter().find(|(group_type, _)| group_type == self);
        f.write_str(known.map_or("unknown", |(_, name)| name))
    }
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// What its members are: `consumer`, `connect`; empty where it only has offsets.
    pub protocol_type: String,
    /// What it is doing; none from brokers before 2.6.
    pub state: Option<GroupState>,
    /// Which protocol its members speak; none from brokers before 3.8, where all are classic or of KIP-848's early access.
    pub group_type: Option<GroupType>,
}

/// Which groups are listed: those that meet every condition; all of them if there is none.
///
/// ```
/// use courant_admin::{GroupFilter, GroupState};
/// let idle_consumers = GroupFilter::all().states([GroupState::Empty]).protocol_types(["consumer"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a filter does nothing until Admin::list_groups"]
pub struct GroupFilter {
    states: Vec<GroupState>,
    types: Vec<GroupType>,
    protocol_types: Option<Vec<String>>,
}

impl GroupFilter {
    /// Every group.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those in one of these states (KIP-518; brokers from 2.6 on).
    pub fn states(mut self, states: impl IntoIterator<Item = GroupState>) -> Self {
        self.states.extend(states);
        self
    }

    /// Those of one of these types (KIP-848). Brokers before 3.8 have classic ones only.
    pub fn types(mut self, types: impl IntoIterator<Item = GroupType>) -> Self {
        self.types.extend(types);
        self
    }

    /// Those of one of these protocol types (KIP-1043): `consumer`, `connect`, or empty for those that only have offsets.
    pub fn protocol_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.protocol_types.get_or_insert_default().extend(types.into_iter().map(Into::into));
        self
    }

    /// What brokers cannot filter by, or not all of them.
    fn takes(&self, listing: &GroupListing) -> bool {
        let group_type = listing.group_type.unwrap_or(GroupType::Classic);
        (self.types.is_empty() || self.types.contains(&group_type))
            && self.protocol_types.as_ref().is_none_or(|types| types.contains(&listing.protocol_type))
    }
}

/// The groups of a cluster, as far as its brokers answered.
///
/// Each broker knows the groups that it coordinates. Those of a broker that did not answer are missing, and it stands among
/// the errors.
#[derive(Clone, Debug)]
#[must_use = "a broker may not have answered"]
pub struct ListedGroups {
    /// The groups, by id; each comes once, even if it moved from one broker to another between their answers.
    pub groups: Vec<GroupListing>,
    /// Brokers that gave no list, and why.
    pub errors: Vec<(NodeId, Error)>,
}

impl ListedGroups {
    /// The groups, if every broker has listed its own.
    ///
    /// # Errors
    /// That of the first broker that has not.
    pub fn all(self) -> Result<Vec<GroupListing>, Error> {
        match self.errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self.groups),
        }
    }
}

impl Admin {
    /// Lists groups, of every kind, at every broker.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().brokers(3).topic("orders", 1).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::{Admin, GroupFilter};
    ///
    /// let admin = Admin::new(&kafka);
    /// admin.alter_group_offsets("billing", [(("orders", 0), 0)]).await.all()?;
    /// for group in admin.list_groups(&GroupFilter::all()).await?.all()? {
    ///     println!("{} {:?}", group.group_id, group.state);
    /// #   assert_eq!(group.group_id, "billing");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Whatever kept the brokers from being known. A broker that gives no list has its error in [`ListedGroups::errors`];
    /// one that is too old to know states has [`UnsupportedVersion`](courant_client::ErrorKind::UnsupportedVersion) there
    /// if states were asked for.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn list_groups(&self, filter: &GroupFilter) -> Result<ListedGroups, Error> {
        let policy = self.policy();
        let world = self.cluster().world();
        loop {
            let cluster = self.describe_cluster_within(policy).await?;
            let nodes: Vec<NodeId> = cluster.brokers.iter().map(|broker| broker.id).collect();
            let api = ListGroups { filter, brokers: self.cluster() };
            let lists = run_within(self, policy, &api, nodes.clone()).await;
            // The groups of a broker that is no longer there are other brokers' now, which may have answered before that.
            let mut unlisted = nodes.iter().zip(&lists).filter(|(_, list)| list.is_err());
            let again = world.now() + policy.backoff.delay(0, 0.5);
            if again < policy.deadline && unlisted.any(|(node, _)| api.has_left(*node)) {
                world.sleep_until(again).await;
                continue;
            }
            let mut groups = BTreeMap::new();
            let mut errors = Vec::new();
            for (node, list) in nodes.into_iter().zip(lists) {
                match list {
                    Ok(listings) => merge(&mut groups, listings),
                    Err(error) => errors.push((node, error.into())),
                }
            }
            return Ok(ListedGroups { groups: groups.into_values().collect(), errors });
        }
    }

    /// Deletes groups and their offsets. A group with members is not deleted.
    ///
    /// # Errors
    /// Each group has its own: [`NonEmptyGroup`](crate::ErrorKind::NonEmptyGroup),
    /// [`GroupNotFound`](crate::ErrorKind::GroupNotFound), a missing permission, or whatever kept the call from being
    /// answered in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the groups may be deleted nevertheless: the request may be on its way.
    pub async fn delete_groups<G: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = G>,
    ) -> Results<String, ()> {
        let groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        let results = run(self, &DeleteGroups, groups.clone()).await;
        Results::new(groups.into_iter().zip(results).collect())
    }
}

/// Adds one broker's list. While a coordinator moves, both brokers may list its groups: the one that says more is believed.
fn merge(groups: &mut BTreeMap<String, GroupListing>, listings: Vec<GroupListing>) {
    let says = |listing: &GroupListing| {
        !matches!(listing.state, None | Some(GroupState::Dead | GroupState::Unknown))
    };
    for listing in listings {
        match groups.get(&listing.group_id) {
            Some(known) if says(known) || !says(&listing) => {}
            _ => drop(groups.insert(listing.group_id.clone(), listing)),
        }
    }
}

struct ListGroups<'a> {
    filter: &'a GroupFilter,
    brokers: &'a Cluster,
}

impl ListGroups<'_> {
    /// Whether this is none of the cluster's brokers any more, as far as is known.
    fn has_left(&self, node: NodeId) -> bool {
        self.brokers.snapshot().broker(node).is_none()
    }
}

impl Api for ListGroups<'_> {
    type Item = NodeId;
    type Value = Vec<GroupListing>;
    type Request = ListGroupsRequest;

    const WHAT: &'static str = "list the broker's groups";

    fn route(&self, item: &NodeId) -> Route {
        Route::Node(*item)
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn is_asked_again(&self, item: &NodeId, error: &courant_client::Error) -> bool {
        error.is_retriable() && !self.has_left(*item)
    }

    fn request(&self, _: &[NodeId], version: i16, _: i32) -> ListGroupsRequest {
        let names = |names: Vec<String>| names.into_iter().map(Str::from).collect();
        let states = if version >= 4 { self.filter.states.as_slice() } else { &[] };
        let types = if version >= 5 { self.filter.types.as_slice() } else { &[] };
        ListGroupsRequest {
            states_filter: names(states.iter().map(GroupState::to_string).collect()),
            types_filter: names(types.iter().map(GroupType::to_string).collect()),
        }
    }

    fn throttle_ms(response: &ListGroupsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[NodeId],
        version: i16,
        response: ListGroupsResponse,
    ) -> Vec<Option<Answer<Vec<GroupListing>>>> {
        let answer = match response.error_code {
            0 if version < 4 && !self.filter.states.is_empty() => Err((ErrorCode::UNSUPPORTED_VERSION, None)),
            0 => {
                let listings = response.groups.iter().map(|group| listing(group, version));
                Ok(listings.filter(|listing| self.filter.takes(listing)).collect::<Vec<_>>())
            }
            code => Err((ErrorCode(code), None)),
        };
        items.iter().map(|_| Some(answer.clone())).collect()
    }

    fn locate(&self, item: &NodeId, error: courant_client::Error) -> courant_client::Error {
        error.at_broker(item)
    }
}

fn listing(group: &ListedGroup, version: i16) -> GroupListing {
    GroupListing {
        group_id: group.group_id.to_string(),
        protocol_type: group.protocol_type.to_string(),
        state: (version >= 4).then(|| GroupState::from_wire(&group.group_state)),
        group_type: (version >= 5).then(|| GroupType::from_wire(&group.group_type)),
    }
}

struct DeleteGroups;

impl Api for DeleteGroups {
    type Item = String;
    type Value = ();
    type Request = DeleteGroupsRequest;

    const WHAT: &'static str = "delete the group";

    fn route(&self, item: &String) -> Route {
        Route::Coordinator(item.clone())
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        coordinator_retries(code)
    }

    fn request(&self, items: &[String], _: i16, _: i32) -> DeleteGroupsRequest {
        DeleteGroupsRequest { groups_names: items.iter().map(|group| Str::from(group.as_str())).collect() }
    }

    fn throttle_ms(response: &DeleteGroupsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(&self, items: &[String], _: i16, response: DeleteGroupsResponse) -> Vec<Option<Answer<()>>> {
        let answer = |item: &String| {
            let found = response.results.iter().find(|result| *result.group_id == **item)?;
            let message = found.error_message.as_deref().map(str::to_owned);
            Some(if found.error_code == 0 { Ok(()) } else { Err((ErrorCode(found.error_code), message)) })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &String, error: courant_client::Error) -> courant_client::Error {
        error.at_group(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(id: &str, state: Option<GroupState>) -> GroupListing {
        GroupListing { group_id: id.to_owned(), protocol_type: String::new(), state, group_type: None }
    }

    #[test]
    fn a_group_that_moved_between_the_answers_comes_once_with_what_is_known_of_it() {
        let mut groups = BTreeMap::new();
        merge(&mut groups, vec![listing("b", Some(GroupState::Dead)), listing("a", None)]);
        merge(
            &mut groups,
            vec![listing("b", Some(GroupState::Stable)), listing("a", Some(GroupState::Empty))],
        );
        merge(
            &mut groups,
            vec![listing("b", Some(GroupState::Dead)), listing("a", Some(GroupState::Stable))],
        );
        let states: Vec<_> = groups.values().map(|group| (&*group.group_id, group.state)).collect();
        assert_eq!(states, [("a", Some(GroupState::Empty)), ("b", Some(GroupState::Stable))]);
    }

    #[test]
    fn states_and_types_read_as_kafka_writes_them() {
        for (state, name) in GroupState::NAMES {
            assert_eq!((state.to_string().as_str(), GroupState::from_wire(name)), (*name, *state));
        }
        assert_eq!(GroupState::from_wire("Dreaming"), GroupState::Unknown);
        assert_eq!(
            (GroupType::Consumer.to_string(), GroupType::from_wire("Classic")),
            ("consumer".into(), GroupType::Classic)
        );
    }
}
