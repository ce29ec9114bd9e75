//! What becomes of fetched bytes: traps 15 to 19 and 24 to 26 of the field, and the memory that they take.
use bytes::Bytes;
use courant_protocol::compression::Codec;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, ProducerId};

use super::batches::{Spec, log};
use super::world::{ID, World, a, ms, nothing, records, refusal};
use crate::ErrorKind;
use crate::machine::fetcher::PartitionAnswer;
use crate::machine::isolation::IsolationLevel;
use crate::machine::reading::SeekTo;
use crate::machine::subscription::Answer;
use crate::offsets::OffsetAndMetadata;

#[test]
fn a_compacted_batch_is_left_by_its_last_offset_not_by_its_last_record() {
    let mut world = World::reading(1, |_| {});
    let compacted = Spec::at(0).records(2).last_offset(41).bytes();
    let emptied = Spec::at(42).records(1).last_offset(99).emptied().bytes();
    world.fetch_and_deliver(vec![records(0, log([compacted, emptied]))]);
    assert_eq!(world.fetched_offsets(), [(0, 100)]);
    assert_eq!(world.poll_offsets(), [0, 1]);
    assert_eq!(world.position(0), Some(100));
}

#[test]
fn batches_without_records_for_the_application_are_no_end() {
    let mut world = World::reading(1, |_| {});
    let marker = Spec::at(0).marker(5, true).bytes();
    let emptied = Spec::at(1).last_offset(8).emptied().bytes();
    world.fetch_and_deliver(vec![records(0, log([marker, emptied, Spec::at(9).records(1).bytes()]))]);
    assert_eq!(world.poll_offsets(), [9]);

    // Markers alone: nothing to hand out, and the fetch goes on behind them.
    assert_eq!(world.fetched_offsets(), [(0, 10)]);
    world.deliver(vec![records(0, Spec::at(10).marker(5, false).bytes())]);
    assert_eq!(world.fetched_offsets(), [(0, 11)]);
    assert!(world.poll_offsets().is_empty());
    assert_eq!(world.position(0), Some(11));
}

#[test]
fn records_before_the_position_are_skipped_in_every_codec() {
    for codec in Codec::ALL {
        let mut world = World::reading(1, |_| {});
        world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(7))).unwrap();
        world.fetch_and_deliver(vec![records(0, Spec::at(0).records(10).codec(codec).bytes())]);
        assert_eq!(world.poll_offsets(), [7, 8, 9], "{codec}");
    }
}

#[test]
fn a_batch_that_is_cut_at_the_end_is_fetched_again_and_no_error() {
    let mut world = World::reading(1, |_| {});
    let (whole, second) = (Spec::at(0).records(2).bytes(), Spec::at(2).records(2).bytes());
    let cut = second.slice(..second.len() - 3);
    world.fetch_and_deliver(vec![records(0, log([whole, cut]))]);
    assert_eq!(world.fetched_offsets(), [(0, 2)]);
    assert_eq!(world.poll_offsets(), [0, 1]);
    world.deliver(vec![records(0, second)]);
    assert_eq!(world.poll_offsets(), [2, 3]);
}

#[test]
fn a_first_batch_above_the_limit_is_asked_for_at_its_size_and_is_an_error_if_it_is_cut_even_so() {
    let mut world = World::reading(1, |settings| settings.limits.max_partition_bytes = 1000);
    let large = Spec::at(0).value(vec![1; 5000]).bytes();
    world.fetch_and_deliver(vec![records(0, large.slice(..1000))]);
    let plan = world.fetch().unwrap();
    assert_eq!(
        plan.session.send.first().map(|target| target.max_bytes),
        Some(i32::try_from(large.len()).unwrap())
    );
    world.deliver(vec![records(0, large.slice(..1000))]);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::RecordTooLarge, Some(Offset(0))));
    world.now += ms(1000);
    assert_eq!(world.fetch(), None);
}

#[test]
fn a_first_batch_above_the_limit_that_comes_whole_is_handed_out() {
    let mut world = World::reading(1, |settings| settings.limits.max_partition_bytes = 1000);
    world.fetch_and_deliver(vec![records(0, Spec::at(0).value(vec![1; 5000]).bytes())]);
    assert_eq!(world.poll_offsets(), [0]);
    assert_eq!(world.fetched_offsets(), [(0, 1)]);
}

#[test]
fn a_limit_of_nothing_fetches_one_batch_at_a_time() {
    let mut world = World::reading(1, |settings| settings.limits.max_partition_bytes = 0);
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(2).bytes())]);
    world.now += ms(1000);
    assert_eq!(world.fetch(), None, "one is parked");
    assert_eq!(world.poll_offsets(), [0, 1]);
    assert_eq!(world.fetched_offsets(), [(0, 2)]);
}

#[test]
fn a_silent_broker_that_was_asked_for_everything_stops_no_other() {
    let mut world = World::reading(1, |_| {});
    assert_eq!(world.fetch().unwrap().max_bytes, 32 << 20);
    world.reading.assign(vec![a(0), a(1), a(2)]);
    world.metadata(ID, &[(1, 3), (2, 3), (3, 3)]);
    world.answer_all(|_| Answer::OffsetAt(Some((Offset(0), LeaderEpoch(3)))));
    for node in [2, 3] {
        let plan = world.reading.poll_fetch(world.now, NodeId(node), true).expect("its share is free");
        assert_eq!(plan.max_bytes, 1 << 20, "no more than is enough, beside what the first may bring");
    }
    // The first broker's partition moves; what it was asked for is no longer wanted.
    world.metadata(ID, &[(4, 4), (2, 3), (3, 3)]);
    assert!(world.reading.poll_fetch(world.now, NodeId(4), true).is_some());
}

#[test]
fn a_partition_that_an_incremental_answer_leaves_out_is_still_fetched() {
    let mut world = World::reading(2, |_| {});
    world.fetch_and_deliver(vec![nothing(0), nothing(1)]);
    let second = world.fetch().unwrap();
    assert_eq!((second.session.id, second.session.epoch, second.session.send.len()), (9, 1, 0));
    world.deliver(vec![records(1, Spec::at(0).records(1).bytes())]);
    let third = world.fetch().unwrap();
    assert_eq!((third.session.epoch, third.session.forget.len()), (2, 0));
    assert_eq!(third.session.send.iter().map(|target| target.offset).collect::<Vec<_>>(), [Offset(1)]);

    // The broker has lost the session: everything is named again, from where reading stands.
    let lost = crate::machine::fetcher::FetchAnswer {
        error: ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ..Default::default()
    };
    world.reading.handle_fetch(world.now, NodeId(1), lost, 0.5);
    let again = world.fetch().unwrap();
    assert_eq!((again.session.id, again.session.epoch), (0, 0));
    let mut offsets: Vec<_> =
        again.session.send.iter().map(|target| (target.partition.partition.0, target.offset.0)).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [(0, 0), (1, 1)]);
}

#[test]
fn an_answer_that_was_under_way_during_a_seek_is_dropped() {
    let mut world = World::reading(1, |_| {});
    world.fetch().unwrap();
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    world.deliver(vec![records(0, Spec::at(0).records(3).bytes())]);
    assert!(world.poll_offsets().is_empty());
    assert_eq!(world.fetched_offsets(), [(0, 5)]);

    // Also where the seek leads to the very offset that was asked for.
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    world.deliver(vec![records(0, Spec::at(5).records(3).bytes())]);
    assert!(world.poll_offsets().is_empty());
}

#[test]
fn an_answer_that_was_under_way_during_a_revocation_is_dropped() {
    let mut world = World::reading(2, |_| {});
    world.fetch().unwrap();
    world.reading.assign(vec![a(1)]);
    // It comes back before the answer does, and starts where that was asked for: the group may know better by then.
    world.reading.assign(vec![a(0), a(1)]);
    world.metadata(ID, &[(1, 3), (1, 3)]);
    world.answer_all(|_| Answer::OffsetAt(Some((Offset(0), LeaderEpoch(3)))));
    world.deliver(vec![records(0, Spec::at(0).records(3).bytes()), nothing(1)]);
    assert_eq!(world.poll().unwrap(), []);
    assert_eq!(world.position(0), Some(0));
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(1).bytes())]);
    assert_eq!(world.poll().unwrap(), [(0, 0)]);
}

#[test]
fn records_taken_out_before_a_truncation_are_not_handed_out_after_it() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(3).epoch(3).bytes())]);
    world.reading.begin_poll();
    let turn = world.reading.take_turn().unwrap();
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(1))).unwrap();
    assert!(!world.reading.end_turn(turn, &[], 0, None));
    assert_eq!(world.position(0), Some(1));
}

#[test]
fn slices_are_bounded_and_need_no_second_fetch() {
    let mut world = World::reading(1, |_| {});
    world.max_poll_records = 4;
    world.fetch_and_deliver(vec![records(
        0,
        log([Spec::at(0).records(6).bytes(), Spec::at(6).records(3).bytes()]),
    )]);
    assert_eq!(world.fetched_offsets(), [(0, 9)]);
    assert_eq!(world.poll_offsets(), [0, 1, 2, 3]);
    assert_eq!(world.position(0), Some(4));
    assert_eq!(world.poll_offsets(), [4, 5, 6, 7]);
    assert_eq!(world.poll_offsets(), [8]);
    assert_eq!(world.position(0), Some(9));
}

#[test]
fn a_paused_partition_keeps_what_was_fetched_and_goes_on_with_it() {
    let mut world = World::reading(2, |_| {});
    world.fetch_and_deliver(vec![
        records(0, Spec::at(0).records(2).bytes()),
        records(1, Spec::at(0).records(1).bytes()),
    ]);
    world.reading.pause(&a(0), true).unwrap();
    assert_eq!(world.poll().unwrap(), [(1, 0)]);
    assert_eq!(world.fetched_offsets(), [(1, 1)]);
    world.reading.pause(&a(0), false).unwrap();
    assert_eq!(world.poll().unwrap(), [(0, 0), (0, 1)]);
}

#[test]
fn a_poison_batch_is_told_once_with_its_place_and_stops_its_partition_alone() {
    let mut world = World::reading(2, |_| {});
    let poisoned = log([
        Spec::at(0).records(2).bytes(),
        Spec::at(2).records(3).broken(),
        Spec::at(5).records(1).bytes(),
    ]);
    world.fetch_and_deliver(vec![records(0, poisoned), records(1, Spec::at(0).records(1).bytes())]);
    let first = world.poll().unwrap();
    assert!(first.starts_with(&[(0, 0), (0, 1)]), "{first:?}");
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.topic_partition()), (ErrorKind::CorruptRecord, Some(&a(0))));
    assert_eq!((error.offset(), error.resume_at()), (Some(Offset(2)), Some(Offset(5))));

    // The other partition goes on, this one is neither skipped nor fetched in vain.
    world.now += ms(1000);
    assert_eq!(world.fetched_offsets(), [(1, 1)]);
    world.deliver(vec![records(1, Spec::at(1).records(1).bytes())]);
    assert_eq!(world.poll().unwrap(), [(1, 1)]);
    assert!(world.reading.position(&a(0)).is_err());
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    assert_eq!(world.position(0), Some(5));
}

#[test]
fn a_header_that_cannot_be_is_told_with_its_batch_and_where_the_next_one_begins() {
    let mut world = World::reading(1, |_| {});
    let bad = Spec::at(2).records(3).of_unknown_magic();
    let next = Spec::at(5).records(1).bytes();
    world.fetch_and_deliver(vec![records(
        0,
        log([Spec::at(0).records(2).bytes(), bad.clone(), next.clone()]),
    )]);
    assert_eq!(world.poll_offsets(), [0, 1]);
    let error = world.poll().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(2))));
    assert_eq!((error.raw_batch(), error.resume_at()), (Some(&bad), Some(Offset(5))));
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(5))).unwrap();
    world.fetch_and_deliver(vec![records(0, next)]);
    assert_eq!(world.poll_offsets(), [5]);

    // Nothing was fetched behind it, so nothing tells where it ends; and a length that cannot be leads nowhere.
    for (bad, told) in [(bad.clone(), bad.clone()), (bad.slice(..8), Bytes::new())] {
        let mut world = World::reading(1, |_| {});
        let mut bytes = bad.to_vec();
        bytes.resize(bad.len().max(12), 0);
        world.fetch_and_deliver(vec![records(0, bytes.into())]);
        let error = world.poll().unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(0))));
        assert_eq!(error.resume_at(), None);
        assert!(error.raw_batch().is_some_and(|raw| raw.starts_with(&told)));
    }
}

#[test]
fn the_error_of_the_only_partition_is_told_at_every_poll() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(3).broken())]);
    for _ in 0..2 {
        assert_eq!(world.poll().unwrap_err().kind(), ErrorKind::CorruptRecord);
    }
}

#[test]
fn aborted_transactions_are_left_out_and_their_offsets_passed() {
    let mut world = World::reading(1, |settings| settings.isolation = IsolationLevel::ReadCommitted);
    let bytes = log([
        Spec::at(0).records(2).transaction(1).bytes(),
        Spec::at(2).records(2).transaction(2).bytes(),
        Spec::at(4).marker(1, false).bytes(),
        Spec::at(5).marker(2, true).bytes(),
        Spec::at(6).records(1).transaction(1).bytes(),
        Spec::at(7).marker(1, true).bytes(),
    ]);
    let aborted = vec![(ProducerId(1), Offset(0))];
    world.fetch_and_deliver(vec![PartitionAnswer { aborted, ..records(0, bytes) }]);
    assert_eq!(world.poll_offsets(), [2, 3, 6]);
    world.poll().unwrap();
    assert_eq!(world.position(0), Some(8));
}

#[test]
fn what_is_fetched_stays_inside_the_budget_and_each_broker_has_its_share() {
    let mut world = World::reading(2, |settings| {
        settings.limits.buffer_bytes = 8000;
        settings.limits.max_partition_bytes = 4000;
    });
    // Partition 1 moves to broker 2.
    world.metadata(ID, &[(1, 3), (2, 4)]);
    assert_eq!(world.fetch().unwrap().max_bytes, 4000);
    let other = world.reading.poll_fetch(world.now, NodeId(2), true).unwrap();
    assert_eq!(other.max_bytes, 4000);

    // Broker 1 has filled its share: it waits, without any harm to broker 2.
    world.deliver(vec![records(0, log((0..4).map(|n| Spec::at(n).value(vec![1; 900]).bytes())))]);
    assert_eq!(world.fetch(), None);
    world.now += ms(1000);
    assert_eq!(world.fetch(), None);
    world.poll().unwrap();
    // Handed out counts until the next poll.
    world.now += ms(1000);
    assert_eq!(world.fetch(), None);
    world.poll().unwrap();
    assert_eq!(world.fetch().unwrap().max_bytes, 4000);
}

#[test]
fn decompressed_bytes_count_and_one_batch_at_a_time_is_decompressed() {
    let mut world = World::reading(1, |settings| settings.limits.buffer_bytes = 1 << 20);
    world.max_poll_records = 1;
    let bomb = |at| Spec::at(at).value(vec![0; 600_000]).value(vec![0; 600_000]).codec(Codec::Zstd).bytes();
    world.fetch_and_deliver(vec![records(0, log([bomb(0), bomb(2), bomb(4)]))]);
    assert!(world.reading.buffered_bytes() < 10_000);
    assert_eq!(world.poll_offsets(), [0]);
    let one = world.reading.buffered_bytes();
    assert!((1_200_000..1_300_000).contains(&one), "{one}");
    // No room is left, so nothing more is fetched until it is finished.
    assert_eq!(world.fetch(), None);
    assert_eq!(world.poll_offsets(), [1]);
    assert_eq!(world.poll_offsets(), [2]);
    assert!(world.reading.buffered_bytes() < 1_300_000);
    while !world.poll_offsets().is_empty() {}
    assert_eq!(world.reading.buffered_bytes(), 0);
    assert_eq!(world.fetched_offsets(), [(0, 6)]);
}

#[test]
fn a_poll_opens_no_further_batch_once_decompressing_has_cost_its_share_of_the_budget() {
    let mut world = World::reading(2, |settings| settings.rules.max_surplus_bytes = 1 << 20);
    let bomb = |at| Spec::at(at).value(vec![0; 700_000]).codec(Codec::Zstd).bytes();
    let plain = |at| Spec::at(at).value(vec![0; 700_000]).bytes();
    let both = vec![records(0, log([bomb(0), bomb(1), bomb(2)])), records(1, log([bomb(0), plain(1)]))];
    world.fetch_and_deliver(both);
    // The second one is too much, within one stretch and across partitions; what was not compressed costs nothing.
    assert_eq!(world.poll().unwrap(), [(0, 0), (0, 1)]);
    assert_eq!(world.poll().unwrap(), [(0, 2), (1, 0)]);
    assert_eq!(world.poll().unwrap(), [(1, 1)]);
}

#[test]
fn paused_partitions_that_hold_all_room_give_way_and_are_fetched_again() {
    let mut world = World::reading(2, |settings| settings.limits.buffer_bytes = 4000);
    world.reading.pause(&a(1), true).unwrap();
    world.fetch_and_deliver(vec![records(0, Spec::at(0).value(vec![1; 3800]).bytes())]);
    world.reading.pause(&a(0), true).unwrap();
    world.reading.pause(&a(1), false).unwrap();
    assert_eq!(world.fetched_offsets(), [(1, 0)]);
    world.reading.pause(&a(0), false).unwrap();
    world.deliver(vec![nothing(1)]);
    assert!(world.fetched_offsets().contains(&(0, 0)));
}

#[test]
fn a_full_partition_holds_the_others_back_for_a_moment_only() {
    let mut world = World::reading(2, |settings| settings.limits.max_partition_bytes = 1000);
    world.fetch_and_deliver(vec![records(0, Spec::at(0).value(vec![1; 2000]).bytes()), nothing(1)]);
    assert_eq!(world.fetch(), None);
    assert_eq!(world.reading.next_deadline(world.now), Some(world.now + ms(50)));
    world.now += ms(50);
    let plan = world.fetch().unwrap();
    assert_eq!((plan.max_wait, plan.session.send.len()), (ms(0), 0));
    assert_eq!(plan.session.forget.len(), 1);
}

#[test]
fn the_partition_that_waited_longest_is_named_first() {
    let mut world = World::reading(3, |_| {});
    world.fetch().unwrap();
    let answer = crate::machine::fetcher::FetchAnswer {
        session_id: 0,
        partitions: vec![records(0, Spec::at(0).records(1).bytes()), nothing(1), nothing(2)],
        ..Default::default()
    };
    world.reading.handle_fetch(world.now, NodeId(1), answer, 0.5);
    assert_eq!(world.fetched_offsets(), [(1, 0), (2, 0), (0, 1)]);
}

#[test]
fn a_broker_that_is_no_leader_any_more_costs_a_refresh_and_a_wait_and_no_error() {
    let mut world = World::reading(1, |_| {});
    world.fetch_and_deliver(vec![refusal(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)]);
    assert!(world.reading.take_metadata_wish(world.now));
    assert_eq!(world.fetch(), None);
    assert_eq!(world.poll().unwrap(), []);
    world.now += ms(100);
    assert_eq!(world.fetched_offsets(), []);
}

#[test]
fn a_broker_that_repeats_old_records_is_told_and_not_asked_for_ever() {
    let mut world = World::reading(1, |_| {});
    world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(10))).unwrap();
    world.fetch_and_deliver(vec![records(0, Spec::at(0).records(5).bytes())]);
    let error = world.poll().unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ErrorKind::Client(courant_client::ErrorKind::Protocol), Some(Offset(10)))
    );
    assert_eq!(world.fetch(), None);
}

/// A message of the formats before batches: magic 0 has no time, magic 1 has one.
fn message(offset: i64, magic: u8, value: &[u8]) -> Bytes {
    let mut body = vec![magic, 0];
    if magic == 1 {
        body.extend(1000_i64.to_be_bytes());
    }
    body.extend((-1_i32).to_be_bytes());
    body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend(value);
    let mut crc = !0_u32;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let size = i32::try_from(body.len() + 4).unwrap();
    let head = [&offset.to_be_bytes()[..], &size.to_be_bytes(), &(!crc).to_be_bytes()].concat();
    Bytes::from([head, body].concat())
}

#[test]
fn messages_of_the_formats_before_batches_are_read_and_a_broken_one_is_told() {
    for magic in [0, 1] {
        let mut world = World::reading(1, |_| {});
        let mut broken = message(3, magic, b"broken").to_vec();
        *broken.last_mut().unwrap() ^= 1;
        let broken = Bytes::from(broken);
        let good = (0..3).map(|offset| message(offset, magic, b"good"));
        world.reading.seek(&a(0), SeekTo::Offset(OffsetAndMetadata::new(1))).unwrap();
        world.fetch_and_deliver(vec![records(
            0,
            log(good.chain([broken.clone(), message(4, magic, b"behind")])),
        )]);
        assert_eq!(world.poll_offsets(), [1, 2], "magic {magic}");
        let error = world.poll().unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::CorruptRecord, Some(Offset(3))));
        assert_eq!((error.raw_batch(), error.resume_at()), (Some(&broken), Some(Offset(4))));
    }
}
