//! The client's half of a fetch session (KIP-227): the broker remembers the partitions, requests name only what changed.
//!
//! | event | next request |
//! |---|---|
//! | start, or the broker lost the session | id 0, epoch 0: everything, a new session is offered |
//! | answered in order | id, epoch + 1 (after `i32::MAX` comes 1): changes only |
//! | transport error, other session error, an answer that does not fit | id, epoch 0: closes the old one, everything, offers a new one |
//! | topic ids and names mix differently than before | likewise: one session speaks one of the two |
//! | closing for good | id, epoch -1 |
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{LeaderEpoch, Offset, PartitionId, TopicId, TopicPartition};

/// One partition of a fetch request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchTarget {
    pub(crate) partition: TopicPartition,
    /// The incarnation that the position belongs to; zero where brokers know no topic ids.
    pub(crate) topic_id: TopicId,
    pub(crate) offset: Offset,
    /// The leader epoch that the client knows, so that an older or newer leader can refuse.
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) max_bytes: i32,
}

/// What the session part of a request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    /// Whether topics are named by id (Fetch 13 and later).
    pub(crate) by_id: bool,
    pub(crate) send: Vec<FetchTarget>,
    pub(crate) forget: Vec<(TopicPartition, TopicId)>,
}

/// The session with one broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    id: i32,
    epoch: i32,
    by_id: bool,
    partitions: BTreeMap<TopicPartition, FetchTarget>,
}

/// The epoch of a request that names everything.
const FULL: i32 = 0;
/// The epoch of a request that ends the session.
const CLOSE: i32 = -1;

impl FetchSession {
    /// The request that makes the broker's view equal `wanted`. One may be unanswered at a time.
    pub(crate) fn request(&mut self, wanted: Vec<FetchTarget>, by_id: bool) -> SessionRequest {
        if self.epoch != FULL && self.by_id != by_id {
            self.epoch = FULL;
        }
        self.by_id = by_id;
        if self.epoch == FULL { self.full(wanted) } else { self.incremental(wanted) }
    }

    fn full(&mut self, wanted: Vec<FetchTarget>) -> SessionRequest {
        self.partitions = wanted.iter().map(|target| (target.partition.clone(), target.clone())).collect();
        SessionRequest { id: self.id, epoch: FULL, by_id: self.by_id, send: wanted, forget: Vec::new() }
    }

    fn incremental(&mut self, wanted: Vec<FetchTarget>) -> SessionRequest {
        let mut before = std::mem::take(&mut self.partitions);
        let (mut send, mut forget) = (Vec::new(), Vec::new());
        for target in wanted {
            match before.remove(&target.partition) {
                Some(known) if known == target => {}
                Some(known) => {
                    // A recreated topic is another topic: the broker must let go of the old one by its old id.
                    if known.topic_id != target.topic_id {
                        forget.push((known.partition, known.topic_id));
                    }
                    send.push(target.clone());
                }
                None => send.push(target.clone()),
            }
            self.partitions.insert(target.partition.clone(), target);
        }
        forget.extend(before.into_values().map(|gone| (gone.partition, gone.topic_id)));
        SessionRequest { id: self.id, epoch: self.epoch, by_id: self.by_id, send, forget }
    }

    /// Takes the answer's session part. False means that the answer does not belong to this session and must be
    /// dropped whole.
    ///
    /// A partition that is absent from an incremental answer has nothing new: it is neither empty nor gone.
    pub(crate) fn handle_answer<'a>(
        &mut self,
        error: ErrorCode,
        id: i32,
        throttled: bool,
        answered: impl ExactSizeIterator<Item = Option<&'a TopicPartition>>,
    ) -> bool {
        if error == ErrorCode::FETCH_SESSION_ID_NOT_FOUND {
            self.restart(0);
            return false;
        }
        if error != ErrorCode::NONE {
            self.restart(self.id);
            return false;
        }
        let full = self.epoch == FULL;
        let count = answered.len();
        if full && count == 0 && throttled && !self.partitions.is_empty() {
            // A broker that throttles answers a full request with nothing at all (KIP-219).
            self.restart(0);
            return false;
        }
        let known = answered.into_iter().all(|one| one.is_some_and(|one| self.partitions.contains_key(one)));
        if !known || (full && count != self.partitions.len()) {
            self.restart(if full { id } else { self.id });
            return false;
        }
        match (id, full) {
            // The broker has no room for a session, or closed it.
            (0, _) => self.restart(0),
            (id, true) => (self.id, self.epoch) = (id, 1),
            (_, false) => self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 },
        }
        true
    }

    /// The partitions of the session by their topics' ids, for answers that name topics so.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ((TopicId, PartitionId), &TopicPartition)> {
        self.partitions
            .values()
            .map(|target| ((target.topic_id, target.partition.partition), &target.partition))
    }

    /// The connection broke, or the answer could not be read: whether the broker took the epoch is unknown, so it is
    /// not used again.
    pub(crate) fn handle_broken(&mut self) {
        self.restart(self.id);
    }

    /// The request that ends the session, where there is one.
    pub(crate) fn closing(&self) -> Option<SessionRequest> {
        (self.id != 0).then(|| SessionRequest { id: self.id, epoch: CLOSE, ..SessionRequest::default() })
    }

    fn restart(&mut self, id: i32) {
        (self.id, self.epoch) = (id, FULL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(topic: &str, partition: i32, offset: i64) -> FetchTarget {
        FetchTarget {
            partition: TopicPartition::new(topic, partition),
            topic_id: TopicId([7; 16]),
            offset: Offset(offset),
            leader_epoch: LeaderEpoch(3),
            max_bytes: 1024,
        }
    }

    fn answer(session: &mut FetchSession, id: i32, partitions: &[(&str, i32)]) -> bool {
        let names: Vec<_> =
            partitions.iter().map(|(topic, partition)| TopicPartition::new(topic, *partition)).collect();
        session.handle_answer(ErrorCode::NONE, id, false, names.iter().map(Some))
    }

    #[test]
    fn only_changes_are_sent_once_the_session_stands() {
        let mut session = FetchSession::default();
        let first = session.request(vec![target("a", 0, 0), target("a", 1, 0)], true);
        assert_eq!((first.id, first.epoch, first.send.len()), (0, 0, 2));
        assert!(answer(&mut session, 99, &[("a", 0), ("a", 1)]));

        let second = session.request(vec![target("a", 0, 5), target("b", 0, 0)], true);
        assert_eq!((second.id, second.epoch), (99, 1));
        assert_eq!(second.send, [target("a", 0, 5), target("b", 0, 0)]);
        assert_eq!(second.forget, [(TopicPartition::new("a", 1), TopicId([7; 16]))]);
        assert!(answer(&mut session, 99, &[]));

        let third = session.request(vec![target("a", 0, 5), target("b", 0, 0)], true);
        assert_eq!((third.epoch, third.send.len(), third.forget.len()), (2, 0, 0));
    }

    #[test]
    fn the_epoch_wraps_from_the_largest_number_to_one() {
        let mut session = FetchSession { id: 4, epoch: i32::MAX, ..FetchSession::default() };
        assert!(answer(&mut session, 4, &[]));
        assert_eq!(session.request(Vec::new(), false).epoch, 1);
    }

    #[test]
    fn a_lost_session_starts_anew_and_other_trouble_closes_the_old_one() {
        for (error, id) in [
            (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0),
            (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 99),
            (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 99),
        ] {
            let mut session = FetchSession { id: 99, epoch: 5, ..FetchSession::default() };
            assert!(!session.handle_answer(error, 99, false, [].iter().copied()));
            let next = session.request(vec![target("a", 0, 0)], false);
            assert_eq!((next.id, next.epoch, next.send.len()), (id, 0, 1), "{error:?}");
        }
        let mut session = FetchSession { id: 99, epoch: 5, by_id: true, ..FetchSession::default() };
        session.handle_broken();
        assert_eq!((session.id, session.epoch), (99, 0));
    }

    #[test]
    fn an_answer_that_names_a_partition_outside_the_session_is_dropped() {
        let mut session = FetchSession::default();
        session.request(vec![target("a", 0, 0)], true);
        assert!(answer(&mut session, 7, &[("a", 0)]));
        session.request(vec![target("a", 0, 0)], true);
        assert!(!answer(&mut session, 7, &[("b", 0)]));
        let next = session.request(vec![target("a", 0, 0)], true);
        assert_eq!((next.id, next.epoch, next.send.len()), (7, 0, 1));
    }

    #[test]
    fn a_full_answer_that_leaves_a_partition_out_does_not_fit() {
        let mut session = FetchSession::default();
        session.request(vec![target("a", 0, 0), target("a", 1, 0)], true);
        assert!(!answer(&mut session, 7, &[("a", 0)]));
        assert_eq!((session.id, session.epoch), (7, 0));
    }

    #[test]
    fn names_instead_of_ids_need_another_session() {
        let mut session = FetchSession::default();
        session.request(vec![target("a", 0, 0)], true);
        assert!(answer(&mut session, 7, &[("a", 0)]));
        let next = session.request(vec![target("a", 0, 0)], false);
        assert_eq!((next.id, next.epoch, next.by_id), (7, 0, false));
    }

    #[test]
    fn a_recreated_topic_replaces_the_old_one_by_its_old_id() {
        let mut session = FetchSession::default();
        session.request(vec![target("a", 0, 9)], true);
        assert!(answer(&mut session, 7, &[("a", 0)]));
        let new = FetchTarget { topic_id: TopicId([8; 16]), ..target("a", 0, 0) };
        let next = session.request(vec![new.clone()], true);
        assert_eq!(
            (next.send, next.forget),
            (vec![new], vec![(TopicPartition::new("a", 0), TopicId([7; 16]))])
        );
    }
}
