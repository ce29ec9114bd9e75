//! Commits one after the other: what waits, what is tried again, what is given up, and what is said twice.
use super::*;

const MS: Duration = Duration::from_millis(1);

fn commits(now: Instant, auto: Option<Duration>) -> Commits {
    let backoff = Backoff::new(100 * MS, 1000 * MS);
    Commits::new(now, auto, backoff)
}

fn at(offset: i64) -> Offsets {
    Offsets::from([(TopicPartition::new("a", 0), OffsetAndMetadata::new(offset))])
}

fn code(code: ErrorCode) -> Result<BTreeMap<TopicPartition, ErrorCode>, Error> {
    Ok(BTreeMap::from([(TopicPartition::new("a", 0), code)]))
}

#[test]
fn a_newer_commit_waits_until_the_older_one_is_answered() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let first = commits.commit(at(1), Persistence::Once);
    assert_eq!(commits.poll_request(now).unwrap().offsets, at(1));
    let second = commits.commit(at(2), Persistence::Once);
    let third = commits.commit(at(3), Persistence::Once);
    assert_eq!(commits.poll_request(now), None);

    // The coordinator has moved: the old one is not tried again, since a newer one waits behind it.
    commits.handle_answer(now, code(ErrorCode::NOT_COORDINATOR), 0.5);
    assert!(commits.take_result(first).unwrap().unwrap_err().is_retriable());
    assert_eq!(commits.poll_request(now).unwrap().offsets, at(3));
    commits.handle_answer(now, code(ErrorCode::NONE), 0.5);
    assert!(commits.take_result(second).unwrap().is_ok());
    assert!(commits.take_result(third).unwrap().is_ok());
    assert!(commits.is_idle());
}

#[test]
fn a_commit_that_is_waited_for_is_tried_until_its_deadline_and_keeps_its_place() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let waited = commits.commit(at(1), Persistence::Until(now + 250 * MS));
    commits.poll_request(now).unwrap();
    let later = commits.commit(at(2), Persistence::Once);
    commits.handle_answer(now, code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), 0.5);
    assert_eq!(commits.poll_request(now + 99 * MS), None);
    assert_eq!(commits.next_deadline(), Some(now + 100 * MS));
    assert_eq!(commits.poll_request(now + 100 * MS).unwrap().offsets, at(1));
    commits.handle_answer(now + 100 * MS, code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), 0.5);

    assert_eq!(commits.poll_request(now + 250 * MS).unwrap().offsets, at(2));
    let error = commits.take_result(waited).unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), "the last word it had");
    assert!(commits.take_result(later).is_none());
}

#[test]
fn a_commit_whose_time_is_over_is_told_so_though_others_stand_before_it() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let sent = commits.commit(at(1), Persistence::Until(now + 900 * MS));
    commits.poll_request(now).unwrap();
    let patient = commits.commit(at(2), Persistence::Until(now + 800 * MS));
    let hasty = commits.commit(at(3), Persistence::Until(now + 100 * MS));
    let last = commits.commit(at(4), Persistence::Once);
    assert_eq!(commits.next_deadline(), Some(now + 100 * MS));
    assert_eq!(commits.poll_request(now + 100 * MS), None);
    let error = commits.take_result(hasty).unwrap().unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Client(courant_client::ErrorKind::Timeout));
    assert_eq!(commits.next_deadline(), Some(now + 800 * MS));

    commits.handle_answer(now + 200 * MS, code(ErrorCode::NONE), 0.5);
    assert!(commits.take_result(sent).unwrap().is_ok());
    for (offset, id) in [(2, patient), (4, last)] {
        assert_eq!(commits.poll_request(now + 200 * MS).unwrap().offsets, at(offset));
        commits.handle_answer(now + 200 * MS, code(ErrorCode::NONE), 0.5);
        assert!(commits.take_result(id).unwrap().is_ok());
    }
}

#[test]
fn only_partitions_that_failed_are_tried_again() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let mut both = at(1);
    both.insert(TopicPartition::new("b", 0), OffsetAndMetadata::new(9));
    commits.commit(both, Persistence::Until(now + 1000 * MS));
    commits.poll_request(now).unwrap();
    let mut codes = code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).unwrap();
    codes.insert(TopicPartition::new("b", 0), ErrorCode::NONE);
    commits.handle_answer(now, Ok(codes), 0.5);
    assert_eq!(commits.poll_request(now + 100 * MS).unwrap().offsets, at(1));
}

#[test]
fn of_partitions_that_go_a_deleted_one_is_given_up_and_the_others_are_tried_on() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let b = Offsets::from([(TopicPartition::new("b", 0), OffsetAndMetadata::new(9))]);
    commits.commit_finished(at(1).into_iter().chain(b.clone()).collect(), now + 60_000 * MS);
    for attempt in 1..=4 {
        let request = commits.poll_request(now + attempt * 1000 * MS).unwrap();
        assert_eq!(request.offsets.len(), 2, "in attempt {attempt}");
        let mut codes = code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).unwrap();
        codes.insert(TopicPartition::new("b", 0), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        commits.handle_answer(now + attempt * 1000 * MS, Ok(codes), 0.5);
    }
    assert_eq!(commits.poll_request(now + 6000 * MS).unwrap().offsets, b);
    commits.handle_answer(
        now + 6000 * MS,
        Ok(BTreeMap::from([(TopicPartition::new("b", 0), ErrorCode::NONE)])),
        0.5,
    );
    assert!(commits.is_idle());
}

#[test]
fn auto_commit_sends_news_only_and_never_twice_at_once() {
    let now = Instant::now();
    let mut commits = commits(now, Some(5000 * MS));
    assert!(!commits.auto_due(now + 4999 * MS));
    assert!(commits.auto_due(now + 5000 * MS));
    commits.auto_commit(now + 5000 * MS, at(7));
    assert_eq!(commits.poll_request(now + 5000 * MS).unwrap().offsets, at(7));
    commits.auto_commit(now + 10_000 * MS, at(8));
    commits.handle_answer(now + 10_001 * MS, code(ErrorCode::NONE), 0.5);
    assert_eq!(commits.poll_request(now + 10_001 * MS), None);
    commits.auto_commit(now + 15_000 * MS, at(7));
    assert_eq!(commits.poll_request(now + 15_000 * MS), None);
}

#[test]
fn auto_commits_that_fail_are_tried_again_after_longer_and_longer_waits() {
    let mut now = Instant::now();
    let mut commits = commits(now, Some(500 * MS));
    now += 500 * MS;
    // The last wait is the interval's.
    for wait in [100, 200, 400, 500] {
        assert!(commits.auto_due(now));
        commits.auto_commit(now, at(7));
        commits.poll_request(now).unwrap();
        commits.handle_answer(now, code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), 0.5);
        assert_eq!(commits.next_deadline(), Some(now + wait * MS));
        now += wait * MS;
    }
    commits.auto_commit(now, at(7));
    commits.poll_request(now).unwrap();
    commits.handle_answer(now, code(ErrorCode::NONE), 0.5);
    commits.auto_commit(now, at(8));
    commits.poll_request(now).unwrap();
    commits.handle_answer(now, code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), 0.5);
    assert_eq!(commits.next_deadline(), Some(now + 100 * MS));
}

#[test]
fn what_an_unanswered_commit_may_set_back_is_said_again_until_the_partition_is_assigned_anew() {
    let now = Instant::now();
    let mut commits = commits(now, Some(5000 * MS));
    commits.auto_commit(now + 5000 * MS, at(7));
    assert_eq!(commits.poll_request(now + 5000 * MS).unwrap().offsets, at(7));
    let cut = courant_client::Error::new(courant_client::ErrorKind::Transport, "the connection has ended");
    commits.handle_answer(now + 7000 * MS, Err(cut.into()), 0.5);

    commits.auto_commit(now + 7100 * MS, at(8));
    assert_eq!(commits.poll_request(now + 7100 * MS).unwrap().offsets, at(8));
    commits.handle_answer(now + 7101 * MS, code(ErrorCode::NONE), 0.5);
    // The first one may arrive now; the coordinator would have 7.
    commits.auto_commit(now + 12_100 * MS, at(8));
    assert_eq!(commits.poll_request(now + 12_100 * MS).unwrap().offsets, at(8));
    commits.handle_answer(now + 12_101 * MS, code(ErrorCode::NONE), 0.5);
    commits.commit_finished(at(8), now + 20_000 * MS);
    assert_eq!(commits.poll_request(now + 12_200 * MS).unwrap().offsets, at(8));
    commits.handle_answer(now + 12_201 * MS, code(ErrorCode::NONE), 0.5);

    commits.begin(&TopicPartition::new("a", 0));
    commits.auto_commit(now + 17_100 * MS, at(9));
    commits.poll_request(now + 17_100 * MS).unwrap();
    commits.handle_answer(now + 17_101 * MS, code(ErrorCode::NONE), 0.5);
    assert_eq!(commits.news(at(9)), Offsets::new());
}

#[test]
fn what_was_committed_of_a_partition_before_it_was_another_members_says_nothing() {
    let now = Instant::now();
    let mut commits = commits(now, Some(5000 * MS));
    commits.auto_commit(now + 5000 * MS, at(7));
    commits.poll_request(now + 5000 * MS).unwrap();
    commits.handle_answer(now + 5001 * MS, code(ErrorCode::NONE), 0.5);
    assert_eq!(commits.news(at(7)), Offsets::new());

    // The other one has gone back to 3, and this member reads on from there.
    commits.begin(&TopicPartition::new("a", 0));
    assert_eq!(commits.news(at(7)), at(7));
}

#[test]
fn a_caller_that_left_gets_no_slot_back() {
    let now = Instant::now();
    let mut commits = commits(now, None);
    let id = commits.commit(at(1), Persistence::Once);
    commits.poll_request(now).unwrap();
    commits.forget(id);
    commits.handle_answer(now, code(ErrorCode::NONE), 0.5);
    assert!(commits.results.is_empty());
}
