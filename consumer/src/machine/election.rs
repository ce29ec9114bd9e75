//! What the leader of a group does: reads what the members said, and divides the partitions.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use courant_membership::classic::Election;
use courant_protocol::embedded::{Subscription, VERSION};
use courant_protocol::types::{TopicName, TopicPartition};

use crate::assignor::{
    Assignor, GroupAssignment, GroupCluster, GroupMember, PartitionAssignor, RebalanceProtocol,
};
use crate::error::{Error, ErrorKind};

/// A division that waits for metadata of all topics that any member wants.
#[derive(Clone, Debug)]
pub(crate) struct Electing {
    assignor: Arc<dyn PartitionAssignor>,
    protocol: RebalanceProtocol,
    members: Vec<GroupMember>,
    skip: bool,
}

impl Electing {
    /// Reads what the members said.
    pub(crate) fn new(
        election: Election,
        assignor: Option<&Arc<dyn PartitionAssignor>>,
        protocol: RebalanceProtocol,
    ) -> Result<Self, Error> {
        let name = &election.protocol_name;
        let assignor = assignor.ok_or_else(|| {
            Error::new(ErrorKind::Membership, format!("the group agreed on `{name}`, which nobody offered"))
        })?;
        let member = |member: courant_membership::classic::ElectionMember| {
            let subscription = Subscription::decode(member.metadata).map_err(|error| {
                let what =
                    format!("member {} of the group said something that cannot be read", member.member_id);
                Error::new(ErrorKind::Membership, what).because(error)
            })?;
            Ok(GroupMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                subscription,
            })
        };
        let members = election.members.into_iter().map(member).collect::<Result<_, Error>>()?;
        Ok(Self { assignor: Arc::clone(assignor), protocol, members, skip: election.skip_assignment })
    }

    /// The topics that any member wants.
    pub(crate) fn topics(&self) -> BTreeSet<TopicName> {
        self.members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect()
    }

    /// Whether the shares that were given before stay (KIP-814).
    pub(crate) fn keeps_shares(&self) -> bool {
        self.skip
    }

    /// Each member's share. Runs outside of all locks, since the assignor may be the application's, and may take its time.
    pub(crate) fn divide(&self, cluster: &GroupCluster) -> Result<BTreeMap<String, Bytes>, Error> {
        if self.skip {
            return Ok(BTreeMap::new());
        }
        let failed = |source| {
            let what = format!("the assignor `{}` could not divide the partitions", self.assignor.name());
            Error::new(ErrorKind::Assignor, what).because(source)
        };
        let shares = self.assignor.assign(cluster, &self.members).map_err(failed)?;
        // Kafka's own cooperative assignor looks at the generations of what members say they own.
        let checked = self.assignor.name() != Assignor::CooperativeSticky.name();
        if self.protocol == RebalanceProtocol::Cooperative && checked {
            self.check_nothing_changes_hands(&shares)?;
        }
        let encode = |(member, share): (String, crate::assignor::Assignment)| {
            let bytes = share.encode(VERSION).map_err(|error| {
                Error::new(ErrorKind::Assignor, "a share of the partitions cannot be written").because(error)
            })?;
            Ok((member, bytes))
        };
        shares.into_iter().map(encode).collect()
    }

    /// A partition that one member still owns must not go to another in the same round (KIP-429): the other would read it
    /// before its owner has let go.
    fn check_nothing_changes_hands(&self, shares: &GroupAssignment) -> Result<(), Error> {
        let mut revoked: BTreeSet<&TopicPartition> = BTreeSet::new();
        let mut added: BTreeSet<&TopicPartition> = BTreeSet::new();
        for member in &self.members {
            let owned: BTreeSet<_> = member.subscription.owned.iter().collect();
            let share =
                shares.get(&member.member_id).map(|share| share.partitions.as_slice()).unwrap_or_default();
            let share: BTreeSet<_> = share.iter().collect();
            added.extend(share.difference(&owned));
            revoked.extend(owned.difference(&share));
        }
        match added.intersection(&revoked).next() {
            None => Ok(()),
            Some(partition) => {
                let what = format!(
                    "the assignor `{}` gives a partition away that another member still owns",
                    self.assignor.name()
                );
                Err(Error::new(ErrorKind::Assignor, what).at(partition).hinting(
                    "a cooperative assignor leaves it out for one round, until its owner has given it up",
                ))
            }
        }
    }
}
