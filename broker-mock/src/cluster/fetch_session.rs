//! Incremental fetch sessions (KIP-227): a broker remembers which partitions a consumer fetches and what it last told.
use std::collections::BTreeMap;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::fetch::PartitionData;
use courant_protocol::types::TopicId;
use courant_protocol::wire::Str;

/// The epoch that asks for a session, or makes a full fetch.
const INITIAL_EPOCH: i32 = 0;
/// The epoch that ends a session, or fetches without one.
const FINAL_EPOCH: i32 = -1;

/// How a fetch names a topic: by name up to version 12, by id from 13 on. The other one is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicKey {
    pub(crate) name: Str,
    pub(crate) id: TopicId,
}

/// A partition that is fetched.
#[derive(Clone, Debug)]
pub(crate) struct SessionPartition {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) fetch_offset: i64,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    pub(crate) max_bytes: i32,
    /// What the consumer was last told; a change of either is news.
    high_watermark: i64,
    log_start_offset: i64,
}

impl SessionPartition {
    pub(crate) fn new(
        topic: TopicKey,
        partition: &courant_protocol::messages::fetch::FetchPartition,
    ) -> Self {
        Self {
            topic,
            partition: partition.partition,
            fetch_offset: partition.fetch_offset,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
            max_bytes: partition.partition_max_bytes,
            high_watermark: -1,
            log_start_offset: -1,
        }
    }

    fn key(&self) -> (TopicKey, i32) {
        (self.topic.clone(), self.partition)
    }
}

/// What a request means for the sessions.
#[derive(Debug)]
pub(crate) enum SessionFetch {
    /// Everything asked for is answered; a session of this id begins, 0 for none.
    Full(i32),
    /// Only news is answered, of all partitions of the session.
    Incremental(i32, Vec<SessionPartition>),
    /// The session is not there, or not at this epoch.
    Refused(ErrorCode),
}

/// The sessions of one broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: BTreeMap<i32, FetchSession>,
}

#[derive(Debug)]
struct FetchSession {
    epoch: i32,
    uses_topic_ids: bool,
    last_used: u64,
    places: BTreeMap<(TopicKey, i32), u64>,
    partitions: BTreeMap<u64, SessionPartition>,
    next_place: u64,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, sessions: BTreeMap::new() }
    }

    /// Takes a request in: `asked` are its partitions, `forgotten` those it drops. `fresh_id` names a new session.
    pub(crate) fn handle_request(
        &mut self,
        (id, epoch): (i32, i32),
        uses_topic_ids: bool,
        asked: &[SessionPartition],
        forgotten: &[(TopicKey, i32)],
        mut fresh_id: impl FnMut() -> i32,
    ) -> SessionFetch {
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            self.sessions.remove(&id);
            if epoch == FINAL_EPOCH || asked.is_empty() || self.slots == 0 {
                return SessionFetch::Full(0);
            }
            let id =
                std::iter::repeat_with(&mut fresh_id).find(|id| *id > 0 && !self.sessions.contains_key(id));
            let id = id.unwrap_or_default();
            self.make_room();
            self.sessions.insert(id, FetchSession::new(uses_topic_ids, self.next_use(), asked));
            return SessionFetch::Full(id);
        }
        let next_use = self.next_use();
        let Some(session) = self.sessions.get_mut(&id) else {
            return SessionFetch::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.epoch != epoch {
            return SessionFetch::Refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return SessionFetch::Refused(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        asked.iter().for_each(|partition| session.put(partition.clone()));
        forgotten.iter().for_each(|key| session.forget(key));
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            return SessionFetch::Full(0);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.last_used = next_use;
        SessionFetch::Incremental(id, session.partitions.values().cloned().collect())
    }

    /// Whether an answer about a partition is news in its session; remembers that it was told.
    ///
    /// A partition with records moves behind the others, so that each gets its turn at the byte limit.
    pub(crate) fn is_news(&mut self, id: i32, topic: &TopicKey, answer: &PartitionData) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return true };
        let key = (topic.clone(), answer.partition_index);
        let Some(place) = session.places.get(&key).copied() else { return true };
        let Some(told) = session.partitions.get_mut(&place) else { return true };
        let has_records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
        let moved =
            told.high_watermark != answer.high_watermark || told.log_start_offset != answer.log_start_offset;
        told.high_watermark = answer.high_watermark;
        told.log_start_offset = answer.log_start_offset;
        if answer.error_code != 0 {
            // Whoever is told of an error asks again; until it is gone it stays news.
            told.high_watermark = -1;
        }
        if has_records && let Some(partition) = session.partitions.remove(&place) {
            session.places.remove(&key);
            session.put(partition);
        }
        has_records
            || moved
            || answer.error_code != 0
            || answer.preferred_read_replica != -1
            || answer.diverging_epoch.epoch != -1
    }

    /// The partitions that a session remembers.
    pub(crate) fn partitions(&self, id: i32) -> impl Iterator<Item = &SessionPartition> {
        self.sessions.get(&id).into_iter().flat_map(|session| session.partitions.values())
    }

    fn next_use(&self) -> u64 {
        self.sessions.values().map(|session| session.last_used).max().unwrap_or_default() + 1
    }

    /// The session that was not used for longest goes when all slots are taken.
    fn make_room(&mut self) {
        while self.sessions.len() >= self.slots {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used).map(|(id, _)| *id);
            match oldest {
                Some(id) => self.sessions.remove(&id),
                None => return,
            };
        }
    }
}

impl FetchSession {
    fn new(uses_topic_ids: bool, last_used: u64, asked: &[SessionPartition]) -> Self {
        let mut session = Self {
            epoch: INITIAL_EPOCH + 1,
            uses_topic_ids,
            last_used,
            places: BTreeMap::new(),
            partitions: BTreeMap::new(),
            next_place: 0,
        };
        asked.iter().for_each(|partition| session.put(partition.clone()));
        session
    }

    fn put(&mut self, mut partition: SessionPartition) {
        let key = partition.key();
        if let Some(known) = self.places.get(&key).and_then(|place| self.partitions.get_mut(place)) {
            partition.high_watermark = known.high_watermark;
            partition.log_start_offset = known.log_start_offset;
            *known = partition;
            return;
        }
        self.places.insert(key, self.next_place);
        self.partitions.insert(self.next_place, partition);
        self.next_place += 1;
    }

    fn forget(&mut self, key: &(TopicKey, i32)) {
        if let Some(place) = self.places.remove(key) {
            self.partitions.remove(&place);
        }
    }
}
