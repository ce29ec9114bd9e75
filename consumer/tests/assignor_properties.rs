//! What must hold of every assignment, whatever the group and whatever its members claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use courant_consumer::assignor::{
    Assignment, Assignor, GroupAssignment, GroupCluster, GroupMember, LastAssignment, PartitionAssignor,
    Subscription, check_cooperative,
};
use courant_protocol::types::TopicPartition;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const TOPICS: [&str; 5] = ["ants", "bees", "cats", "dogs", "eels"];
const RACKS: [&str; 3] = ["north", "east", "south"];

/// A group that lives on: members come and go, and remember what they got.
#[derive(Clone, Debug)]
struct World {
    cluster: GroupCluster,
    members: Vec<Living>,
    generation: i32,
}

/// A member and what it has.
#[derive(Clone, Debug)]
struct Living {
    id: String,
    instance: Option<String>,
    topics: Vec<&'static str>,
    rack: Option<&'static str>,
    last: Option<LastAssignment>,
}

impl Living {
    fn joining(&self, assignor: Assignor) -> GroupMember {
        let mut subscription = Subscription::new(self.topics.iter());
        subscription.user_data = assignor.user_data(&subscription.topics, self.last.as_ref());
        subscription.rack = self.rack.map(str::to_owned);
        if let Some(last) = &self.last {
            subscription.generation = Some(last.generation);
            let kept = last.assignment.partitions.iter().filter(|it| self.topics.contains(&&*it.topic));
            subscription.owned = kept.cloned().collect();
        }
        GroupMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            subscription: Subscription::decode(subscription.encode(3).unwrap()).unwrap(),
        }
    }
}

impl World {
    fn joining(&self, assignor: Assignor) -> Vec<GroupMember> {
        self.members.iter().map(|member| member.joining(assignor)).collect()
    }

    /// One rebalance: everybody joins, the leader assigns, everybody hears.
    fn rebalance(&mut self, assignor: Assignor) -> GroupAssignment {
        let assignment = assignor.assign(&self.cluster, &self.joining(assignor)).unwrap();
        self.generation += 1;
        for member in &mut self.members {
            let assignment = assignment[&member.id].clone();
            member.last = Some(LastAssignment { assignment, generation: self.generation });
        }
        assignment
    }

    fn wanted(&self) -> BTreeSet<TopicPartition> {
        let topics: BTreeSet<&str> =
            self.members.iter().flat_map(|member| member.topics.iter().copied()).collect();
        let of_topic = |topic: &str| {
            let topic = topic.to_owned();
            (0..self.cluster.partitions(&topic) as i32)
                .map(move |partition| TopicPartition::new(&topic, partition))
        };
        topics.into_iter().flat_map(of_topic).collect()
    }
}

fn pick<T: Clone + std::fmt::Debug + 'static>(
    of: &'static [T],
    at_least: usize,
) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(of.to_vec(), at_least..=of.len())
}

prop_compose! {
    fn living(alike: bool, racks: bool)(
        topics in pick(&TOPICS, usize::from(alike)),
        rack in proptest::option::of(proptest::sample::select(&RACKS[..])),
        instance in proptest::bool::weighted(0.2),
        id in "[a-z]{1,6}",
    ) -> Living {
        let instance = instance.then(|| format!("static-{id}"));
        Living { id, instance, topics, rack: rack.filter(|_| racks), last: None }
    }
}

prop_compose! {
    fn cluster(racks: bool)(
        topics in proptest::collection::vec(
            proptest::collection::vec(pick(&RACKS, 0), 0..9), TOPICS.len(),
        ),
    ) -> GroupCluster {
        TOPICS.iter().zip(topics).fold(GroupCluster::new(), |cluster, (name, partitions)| {
            if racks { cluster.with_racks(*name, partitions) } else { cluster.with_topic(*name, partitions.len()) }
        })
    }
}

/// A group in which all want the same topics, or in which each wants its own.
fn world(alike: bool, racks: bool) -> impl Strategy<Value = World> {
    let members = proptest::collection::vec(living(alike, racks), 1..8);
    (cluster(racks), members).prop_map(move |(cluster, mut members)| {
        members.sort_by(|one, another| one.id.cmp(&another.id));
        members.dedup_by(|one, another| one.id == another.id);
        if alike {
            let topics = members[0].topics.clone();
            members.iter_mut().for_each(|member| member.topics.clone_from(&topics));
        }
        World { cluster, members, generation: 0 }
    })
}

fn any_world() -> impl Strategy<Value = World> {
    (any::<bool>(), any::<bool>()).prop_flat_map(|(alike, racks)| world(alike, racks))
}

/// All want the same topics, or nobody says where it runs.
fn calm_world() -> impl Strategy<Value = World> {
    any::<bool>().prop_flat_map(|alike| world(alike, alike))
}

fn built_in() -> impl Strategy<Value = Assignor> {
    proptest::sample::select(&Assignor::ALL[..])
}

/// Owners by partition; fails if there are two, or one who does not want the topic.
fn owners(world: &World, assignment: &GroupAssignment) -> BTreeMap<TopicPartition, String> {
    let mut owners = BTreeMap::new();
    assert_eq!(assignment.len(), world.members.len(), "everybody gets an entry");
    for member in &world.members {
        for partition in &assignment[&member.id].partitions {
            assert!(member.topics.contains(&&*partition.topic), "{} does not want {partition}", member.id);
            let before = owners.insert(partition.clone(), member.id.clone());
            assert_eq!(before, None, "{partition} has two owners");
        }
    }
    owners
}

fn check_whole(world: &World, assignment: &GroupAssignment) {
    let owned: BTreeSet<TopicPartition> = owners(world, assignment).into_keys().collect();
    assert_eq!(owned, world.wanted());
}

/// No member could take a partition from one that has at least two more.
fn check_balanced(world: &World, assignment: &GroupAssignment) {
    let load = |id: &str| assignment[id].partitions.len();
    for (partition, owner) in owners(world, assignment) {
        for member in world.members.iter().filter(|member| member.topics.contains(&&*partition.topic)) {
            assert!(
                load(&owner) <= load(&member.id) + 1,
                "{partition} should go from {owner} to {}",
                member.id
            );
        }
    }
}

fn sets(assignment: &GroupAssignment) -> BTreeMap<&String, BTreeSet<&TopicPartition>> {
    assignment.iter().map(|(id, share)| (id, share.partitions.iter().collect())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_partition_has_one_owner_who_wants_it(assignor in built_in(), mut world in any_world()) {
        let assignment = world.rebalance(assignor);
        check_whole(&world, &assignment);
    }

    #[test]
    fn the_order_in_which_members_joined_does_not_matter(assignor in built_in(), mut world in any_world(), turn in 0..8_usize) {
        world.rebalance(assignor);
        let mut members = world.joining(assignor);
        let one = assignor.assign(&world.cluster, &members).unwrap();
        let turn = turn % members.len();
        members.rotate_left(turn);
        members[turn..].reverse();
        let another = assignor.assign(&world.cluster, &members).unwrap();
        prop_assert_eq!(sets(&one), sets(&another));
    }

    #[test]
    fn range_gives_each_member_of_a_topic_as_many_partitions_but_one(mut world in any_world()) {
        let assignment = world.rebalance(Assignor::Range);
        for topic in TOPICS {
            let wants = world.members.iter().filter(|member| member.topics.contains(&topic));
            let of_topic = |member: &Living| {
                assignment[&member.id].partitions.iter().filter(|partition| *partition.topic == *topic).count()
            };
            let counts: Vec<usize> = wants.map(of_topic).collect();
            let (least, most) = (counts.iter().min(), counts.iter().max());
            prop_assert!(least.zip(most).is_none_or(|(least, most)| most - least <= 1), "{}: {:?}", topic, counts);
        }
    }

    #[test]
    fn range_keeps_topics_together_that_all_want_and_that_have_as_many_partitions(
        members in proptest::collection::vec(living(true, true), 1..6), partitions in 1..9_usize,
        racks in proptest::collection::vec(pick(&RACKS, 0), 9),
    ) {
        let of_all = &racks[..partitions];
        let cluster = GroupCluster::new().with_racks("ants", of_all.to_vec()).with_racks("bees", of_all.to_vec());
        let mut world = World { cluster, members, generation: 0 };
        world.members.sort_by(|one, another| one.id.cmp(&another.id));
        world.members.dedup_by(|one, another| one.id == another.id);
        world.members.iter_mut().for_each(|member| member.topics = vec!["ants", "bees"]);
        let assignment = world.rebalance(Assignor::Range);
        for share in assignment.values() {
            let of = |topic: &str| -> BTreeSet<i32> {
                share.partitions.iter().filter(|it| *it.topic == *topic).map(|it| it.partition.0).collect()
            };
            prop_assert_eq!(of("ants"), of("bees"));
        }
    }

    #[test]
    fn round_robin_is_even_where_all_want_the_same(mut world in world(true, false)) {
        let assignment = world.rebalance(Assignor::RoundRobin);
        check_balanced(&world, &assignment);
    }

    #[test]
    fn sticky_is_balanced_and_stays_so_as_members_and_topics_come_and_go(
        mut world in any_world(), newcomer in living(false, true), leaver in 0..8_usize, grown in cluster(true),
    ) {
        let assignment = world.rebalance(Assignor::Sticky);
        check_balanced(&world, &assignment);
        world.members.retain(|member| member.id != newcomer.id);
        world.members.push(newcomer);
        let assignment = world.rebalance(Assignor::Sticky);
        check_whole(&world, &assignment);
        check_balanced(&world, &assignment);
        world.members.remove(leaver % world.members.len());
        world.cluster = grown;
        if !world.members.is_empty() {
            let assignment = world.rebalance(Assignor::Sticky);
            check_whole(&world, &assignment);
            check_balanced(&world, &assignment);
        }
    }

    #[test]
    fn sticky_comes_to_rest_when_nothing_changes(mut world in calm_world(), cooperative in any::<bool>()) {
        let assignor = if cooperative { Assignor::CooperativeSticky } else { Assignor::Sticky };
        world.rebalance(assignor);
        world.rebalance(assignor);
        world.rebalance(assignor);
        let before = world.rebalance(assignor);
        let after = world.rebalance(assignor);
        prop_assert_eq!(sets(&before), sets(&after));
    }

    #[test]
    fn sticky_takes_from_nobody_who_stays_when_a_member_leaves(mut world in world(true, false), leaver in 0..8_usize) {
        let before = world.rebalance(Assignor::Sticky);
        world.members.remove(leaver % world.members.len());
        if !world.members.is_empty() {
            let after = world.rebalance(Assignor::Sticky);
            for (id, kept) in sets(&after) {
                prop_assert!(kept.is_superset(&sets(&before)[id]), "{} lost something", id);
            }
        }
    }

    #[test]
    fn sticky_moves_partitions_to_the_newcomer_alone(mut world in world(true, false), newcomer in living(true, false)) {
        let before = world.rebalance(Assignor::Sticky);
        prop_assume!(world.members.iter().all(|member| member.id != newcomer.id));
        let topics = world.members[0].topics.clone();
        world.members.push(Living { topics, ..newcomer.clone() });
        let after = world.rebalance(Assignor::Sticky);
        let before = owners(&World { members: world.members[..world.members.len() - 1].to_vec(), ..world.clone() }, &before);
        for (partition, owner) in owners(&world, &after) {
            prop_assert!(owner == newcomer.id || owner == before[&partition], "{} went to {}", partition, owner);
        }
    }

    /// Trap 36: between the rounds of a cooperative rebalance nobody has two owners, and in the end nobody is left out.
    #[test]
    fn cooperative_sticky_hands_over_only_what_has_been_let_go(
        mut world in any_world(), newcomers in proptest::collection::vec(living(false, true), 0..3), leaver in 0..8_usize,
        grown in cluster(true), racks in any::<bool>(),
    ) {
        let assignor = Assignor::CooperativeSticky;
        world.rebalance(assignor);
        for newcomer in newcomers {
            world.members.retain(|member| member.id != newcomer.id);
            world.members.push(newcomer);
        }
        if world.members.len() > 1 {
            world.members.remove(leaver % world.members.len());
        }
        world.cluster = grown;
        world.members.iter_mut().filter(|_| !racks).for_each(|member| member.rack = None);
        for _ in 0..2 {
            let joining = world.joining(assignor);
            let mut held = BTreeMap::new();
            for member in &joining {
                held.extend(member.subscription.owned.iter().map(|partition| (partition.clone(), member.member_id.clone())));
            }
            let assignment = world.rebalance(assignor);
            prop_assert!(check_cooperative(&joining, &assignment).is_ok());
            for (partition, owner) in owners(&world, &assignment) {
                let holder = held.get(&partition);
                prop_assert!(holder.is_none_or(|holder| *holder == owner), "{} is still {:?}'s", partition, holder);
            }
        }
        // With racks and unlike subscriptions it can take more rounds until everything has found its place.
        if !racks {
            let assignment = world.rebalance(assignor);
            check_whole(&world, &assignment);
            check_balanced(&world, &assignment);
        }
    }

    #[test]
    fn claims_that_cannot_be_true_never_break_an_assignment(
        assignor in built_in(), world in any_world(),
        claims in proptest::collection::vec(
            (
                proptest::collection::vec((proptest::sample::select(&TOPICS[..]), -2..12_i32), 0..12),
                -1..3_i32,
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..24)),
            ),
            8,
        ),
    ) {
        let mut members = world.joining(assignor);
        for (member, (owned, generation, noise)) in members.iter_mut().zip(claims) {
            member.subscription.owned = owned.into_iter().map(TopicPartition::from).collect();
            member.subscription.generation = Some(generation).filter(|generation| *generation >= 0);
            let last = LastAssignment { assignment: Assignment::new(member.subscription.owned.clone()), generation };
            let user_data = assignor.user_data(&member.subscription.topics, Some(&last));
            member.subscription.user_data = noise.map_or(user_data, |noise| Some(Bytes::from(noise)));
        }
        let assignment = assignor.assign(&world.cluster, &members).unwrap();
        owners(&world, &assignment);
        if assignor != Assignor::CooperativeSticky {
            check_whole(&world, &assignment);
        }
    }
}

#[test]
fn an_assignment_that_skips_the_revocation_is_refused() {
    let mut owner = GroupMember::new("a", Subscription::new(["t"]));
    owner.subscription.owned = vec![("t", 0).into(), ("t", 1).into()];
    let members = [owner, GroupMember::new("b", Subscription::new(["t"]))];
    let assignment = |b: Vec<(&str, i32)>| {
        GroupAssignment::from([
            ("a".to_owned(), Assignment::new([("t", 0)])),
            ("b".to_owned(), Assignment::new(b)),
        ])
    };
    assert!(check_cooperative(&members, &assignment(vec![])).is_ok());
    let error = check_cooperative(&members, &assignment(vec![("t", 1)])).unwrap_err();
    assert!(error.to_string().starts_with("t-1 is given to b while another member owns it"), "{error}");
}

#[test]
fn a_partition_that_two_claim_in_one_generation_goes_to_neither_at_once() {
    let claims = |id: &str| {
        let mut member = GroupMember::new(id, Subscription::new(["t"]));
        member.subscription.owned = vec![("t", 0).into()];
        member.subscription.generation = Some(3);
        member
    };
    let cluster = GroupCluster::new().with_topic("t", 2);
    let assignment = Assignor::CooperativeSticky.assign(&cluster, &[claims("a"), claims("b")]).unwrap();
    let given: Vec<&TopicPartition> = assignment.values().flat_map(|share| &share.partitions).collect();
    assert_eq!(given, [&TopicPartition::new("t", 1)]);
}

#[test]
fn members_without_topics_do_not_make_subscriptions_look_alike() {
    let cluster = GroupCluster::new().with_topic("t", 4);
    let members =
        [GroupMember::new("a", Subscription::default()), GroupMember::new("b", Subscription::new(["t"]))];
    let assignment = Assignor::Sticky.assign(&cluster, &members).unwrap();
    assert!(assignment["a"].partitions.is_empty());
    assert_eq!(assignment["b"].partitions.len(), 4);
}
