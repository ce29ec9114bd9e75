//! One broker cluster as the machines see it: what is fed in, and what comes out.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use courant_client::retry::Backoff;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{
    LeaderEpoch, NodeId, Offset, PartitionId, TopicId, TopicName, TopicPartition, UnixMillis,
};

use crate::error::Error;
use crate::machine::fetcher::{FetchAnswer, FetchLimits, FetchPlan, PartitionAnswer, TopicKey};
use crate::machine::isolation::IsolationLevel;
use crate::machine::partition::Question;
use crate::machine::reading::{Reading, ReadingSettings};
use crate::machine::reset::OffsetReset;
use crate::machine::stretch::{ReadRules, Taken};
use crate::machine::subscription::{Answer, Asked, SubscriptionSettings, TopicView};

pub(crate) const ID: TopicId = TopicId([7; 16]);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Partition `number` of topic `a`.
pub(crate) fn a(number: i32) -> TopicPartition {
    TopicPartition::new("a", number)
}

/// A consumer's state with its surroundings.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) reading: Reading,
    scratch: CompressionScratch,
    rules: ReadRules,
    pub(crate) max_poll_records: usize,
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut ReadingSettings)) -> Self {
        let now = Instant::now();
        let mut settings = ReadingSettings {
            subscription: SubscriptionSettings {
                has_group: false,
                acknowledges: false,
                reset: OffsetReset::Earliest,
                backoff: Backoff::constant(ms(100)),
                unknown_topic_patience: ms(60_000),
            },
            limits: FetchLimits {
                min_bytes: 1,
                max_bytes: 50 << 20,
                max_partition_bytes: 1 << 20,
                max_wait: ms(500),
                buffer_bytes: 32 << 20,
            },
            rules: ReadRules {
                check_crcs: true,
                keeps_control_records: false,
                max_decompressed_bytes: 64 << 20,
                max_surplus_bytes: 2 << 20,
            },
            isolation: IsolationLevel::ReadUncommitted,
            auto_commit: None,
            replica_lease: ms(300_000),
        };
        change(&mut settings);
        let rules = settings.rules;
        let reading = Reading::new(now, settings);
        Self { now, reading, rules, scratch: CompressionScratch::new(), max_poll_records: 500 }
    }

    /// Reads `partitions` of topic `a`, all led by broker 1 in epoch 3, from offset 0 on.
    pub(crate) fn reading(partitions: i32, change: impl FnOnce(&mut ReadingSettings)) -> Self {
        let mut world = Self::new(change);
        world.reading.assign((0..partitions).map(a).collect());
        world.metadata(ID, &vec![(1, 3); usize::try_from(partitions).unwrap()]);
        world.answer_all(|_| Answer::OffsetAt(Some((Offset(0), LeaderEpoch(3)))));
        world
    }

    /// What metadata say of topic `a`: leader and epoch of each partition.
    pub(crate) fn metadata(&mut self, id: TopicId, leaders: &[(i32, i32)]) {
        let partitions =
            leaders.iter().map(|(node, epoch)| (Some(NodeId(*node)), LeaderEpoch(*epoch))).collect();
        let views = BTreeMap::from([(TopicName::from("a"), TopicView { id, error: None, partitions })]);
        self.reading.handle_metadata(self.now, &views, 0.5);
    }

    pub(crate) fn questions(&mut self) -> Vec<Asked> {
        self.reading.poll_questions(self.now, UnixMillis(1_000_000))
    }

    pub(crate) fn answer_all(&mut self, answer: impl Fn(&Question) -> Answer) {
        for asked in self.questions() {
            self.reading.handle_answer(self.now, &asked, answer(&asked.question), 0.5);
        }
    }

    /// The brokers that there is something to fetch from.
    pub(crate) fn wanted_nodes(&self) -> Vec<NodeId> {
        self.reading.fetcher.wanted_nodes(self.now, &self.reading.subscription)
    }

    pub(crate) fn fetch(&mut self) -> Option<FetchPlan> {
        self.reading.poll_fetch(self.now, NodeId(1), true)
    }

    /// The offsets that a fetch from broker 1 asks for, by partition number.
    pub(crate) fn fetched_offsets(&mut self) -> Vec<(i32, i64)> {
        let plan = self.fetch().expect("a fetch");
        plan.session.send.iter().map(|target| (target.partition.partition.0, target.offset.0)).collect()
    }

    /// Broker 1 answers with these partitions; the session has id 9.
    pub(crate) fn deliver(&mut self, partitions: Vec<PartitionAnswer>) {
        let answer = FetchAnswer { session_id: 9, partitions, ..FetchAnswer::default() };
        self.reading.handle_fetch(self.now, NodeId(1), answer, 0.5);
    }

    /// Fetches and is answered at once.
    pub(crate) fn fetch_and_deliver(&mut self, partitions: Vec<PartitionAnswer>) {
        self.fetch().expect("a fetch");
        self.deliver(partitions);
    }

    /// Polls: what a poll returns, as `partition@offset`s.
    pub(crate) fn poll(&mut self) -> Result<Vec<(i32, i64)>, Error> {
        self.reading.begin_poll();
        let mut got = Vec::new();
        let mut taken = Taken::default();
        while taken.has_room(self.max_poll_records, &self.rules) {
            if got.is_empty()
                && let Some(error) = self.reading.poll_error(self.now)
            {
                return Err(error);
            }
            let Some(mut turn) = self.reading.take_turn() else { break };
            let (slices, bytes) = (taken.slices.len(), taken.bytes);
            let (partition, position) = (turn.partition.clone(), &mut turn.position);
            let (max, scratch) = (self.max_poll_records, &mut self.scratch);
            let error = turn.stretch.take(&partition, position, max, scratch, &mut taken).err();
            if self.reading.end_turn(turn, &taken.slices[slices..], taken.bytes - bytes, error) {
                for slice in &taken.slices[slices..] {
                    let records = slice.records.iter_from(slice.from).take(slice.count);
                    got.extend(records.map(|record| (slice.partition.partition.0, record.unwrap().offset.0)));
                }
            }
        }
        Ok(got)
    }

    /// The offsets of one poll, for stories with one partition.
    pub(crate) fn poll_offsets(&mut self) -> Vec<i64> {
        self.poll().unwrap().into_iter().map(|(_, offset)| offset).collect()
    }

    pub(crate) fn position(&self, partition: i32) -> Option<i64> {
        self.reading.position(&a(partition)).unwrap().map(|position| position.offset.0)
    }
}

/// What a broker says of a partition without anything to say.
pub(crate) fn nothing(partition: i32) -> PartitionAnswer {
    PartitionAnswer {
        topic: TopicKey::Id(ID),
        partition: PartitionId(partition),
        error: ErrorCode::NONE,
        high_watermark: Offset(1000),
        last_stable_offset: Offset(1000),
        log_start_offset: Offset(0),
        aborted: Vec::new(),
        preferred_replica: None,
        diverging: None,
        leader: None,
        records: Bytes::new(),
    }
}

pub(crate) fn records(partition: i32, records: Bytes) -> PartitionAnswer {
    PartitionAnswer { records, ..nothing(partition) }
}

pub(crate) fn refusal(partition: i32, error: ErrorCode) -> PartitionAnswer {
    PartitionAnswer { error, ..nothing(partition) }
}
