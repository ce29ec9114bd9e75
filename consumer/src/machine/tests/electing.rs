//! The leader's division: what the members said is read, and nothing changes hands that somebody still owns.
use std::sync::Arc;

use courant_membership::classic::{Election, ElectionMember};
use courant_protocol::embedded::{Assignment, Subscription, VERSION};

use super::world::a;
use crate::assignor::{
    AssignError, Assignor, GroupAssignment, GroupCluster, GroupMember, PartitionAssignor, RebalanceProtocol,
};
use crate::error::ErrorKind;
use crate::machine::election::Electing;

/// Gives everything to the last member, whoever owns it.
#[derive(Debug)]
struct LastTakesAll;

impl PartitionAssignor for LastTakesAll {
    fn name(&self) -> &str {
        "last-takes-all"
    }

    fn rebalance_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager, RebalanceProtocol::Cooperative]
    }

    fn assign(&self, _: &GroupCluster, members: &[GroupMember]) -> Result<GroupAssignment, AssignError> {
        let last = members.len() - 1;
        let share = |(index, member): (usize, &GroupMember)| {
            let share = if index == last { Assignment::new([a(0)]) } else { Assignment::default() };
            (member.member_id.clone(), share)
        };
        Ok(members.iter().enumerate().map(share).collect())
    }
}

/// The members `one`, which owns partition 0, and `two`, which owns nothing.
fn election(assignor: &str, skip_assignment: bool) -> Election {
    let member = |id: &str, owned: Vec<_>| ElectionMember {
        member_id: id.to_owned(),
        group_instance_id: None,
        metadata: Subscription { owned, generation: Some(1), ..Subscription::new(["a"]) }
            .encode(VERSION)
            .unwrap(),
    };
    Election {
        protocol_name: assignor.to_owned(),
        generation_id: 2,
        leader_id: "one".to_owned(),
        members: vec![member("one", vec![a(0)]), member("two", Vec::new())],
        skip_assignment,
    }
}

fn divide(
    assignor: Arc<dyn PartitionAssignor>,
    protocol: RebalanceProtocol,
    skip: bool,
) -> Result<Vec<(String, Assignment)>, crate::Error> {
    let electing = Electing::new(election(assignor.name(), skip), Some(&assignor), protocol)?;
    assert_eq!(electing.topics().into_iter().collect::<Vec<_>>(), ["a"]);
    let shares = electing.divide(&GroupCluster::new().with_topic("a", 1))?;
    Ok(shares.into_iter().map(|(id, bytes)| (id, Assignment::decode(bytes).unwrap())).collect())
}

#[test]
fn a_cooperative_assignor_must_not_give_away_what_somebody_still_owns() {
    let error = divide(Arc::new(LastTakesAll), RebalanceProtocol::Cooperative, false).unwrap_err();
    assert_eq!((error.kind(), error.topic_partition()), (ErrorKind::Assignor, Some(&a(0))));
    let shares = divide(Arc::new(LastTakesAll), RebalanceProtocol::Eager, false).unwrap();
    assert_eq!(shares[1], ("two".to_owned(), Assignment::new([a(0)])));
}

#[test]
fn an_owner_keeps_its_partition_where_the_assignor_is_sticky() {
    let shares =
        divide(Arc::new(Assignor::CooperativeSticky), RebalanceProtocol::Cooperative, false).unwrap();
    assert_eq!(shares[0], ("one".to_owned(), Assignment::new([a(0)])));
}

#[test]
fn a_static_leader_that_came_back_divides_nothing() {
    assert_eq!(divide(Arc::new(LastTakesAll), RebalanceProtocol::Eager, true).unwrap(), []);
}

#[test]
fn what_a_member_said_and_nobody_can_read_is_a_typed_error() {
    let mut garbled = election("range", false);
    garbled.members[1].metadata = bytes::Bytes::from_static(&[0, 3, 0x7f, 0xff, 0xff, 0xff]);
    let assignor: Arc<dyn PartitionAssignor> = Arc::new(Assignor::Range);
    let error = Electing::new(garbled, Some(&assignor), RebalanceProtocol::Eager).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Membership);
    assert!(error.to_string().contains("member two"), "{error}");
    let error = Electing::new(election("range", false), None, RebalanceProtocol::Eager).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Membership);
}
