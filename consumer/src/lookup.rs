//! Questions to brokers that need no state of the consumer: offsets by time, committed offsets, ends of epochs.
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Instant;

use courant_client::{CallOptions, Cluster, CoordinatorKind, Kafka, Target};
use courant_protocol::embedded::Assignment;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{ConsumerGroupMetadata, LeaderEpoch, NodeId, TopicPartition, UnixMillis};

use crate::error::{Error, ErrorKind};
use crate::machine::isolation::IsolationLevel;
use crate::offsets::OffsetAndMetadata;
use crate::requests::{self, Committed, ListedOffset, TopicIds};

/// What each partition was answered.
pub(crate) type Answers<T> = BTreeMap<TopicPartition, Result<T, ErrorCode>>;

/// Asks one broker once for offsets by time.
pub(crate) async fn ask_offsets(
    cluster: &Cluster,
    node: NodeId,
    partitions: &BTreeMap<TopicPartition, (UnixMillis, LeaderEpoch)>,
    isolation: IsolationLevel,
    deadline: Instant,
) -> Result<Answers<Option<ListedOffset>>, Error> {
    let timeout = deadline.saturating_duration_since(cluster.world().now());
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let request = |_| requests::list_offsets_request(partitions, isolation, timeout_ms);
    let (response, _) =
        cluster.call_by_version(Target::Node(node), request, CallOptions::until(deadline)).await?;
    Ok(requests::list_offsets_answer(response))
}

/// Asks one broker once where epochs end in its log.
pub(crate) async fn ask_epoch_ends(
    cluster: &Cluster,
    node: NodeId,
    partitions: &BTreeMap<TopicPartition, (LeaderEpoch, LeaderEpoch)>,
    deadline: Instant,
) -> Result<Answers<Option<(LeaderEpoch, courant_protocol::types::Offset)>>, Error> {
    let request = |_| requests::epoch_request(partitions);
    let (response, _) =
        cluster.call_by_version(Target::Node(node), request, CallOptions::until(deadline)).await?;
    Ok(requests::epoch_answer(response))
}

/// Asks the group's coordinator once what the group has committed.
pub(crate) async fn ask_committed(
    cluster: &Cluster,
    group: &str,
    partitions: &[TopicPartition],
    ids: &TopicIds,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Committed>, Error> {
    let request = |version| requests::offset_fetch_request(group, partitions, ids, version);
    let mut options = CallOptions::until(deadline);
    options.max_version = requests::offsets_version_cap(partitions, ids);
    let target = Target::Coordinator(CoordinatorKind::Group, group.to_owned());
    let (response, _) = cluster.call_by_version(target, request, options).await?;
    let answer = requests::offset_fetch_answer(response, ids);
    answer.map_err(|code| {
        if code.refreshes_coordinator() {
            cluster.forget_coordinator(CoordinatorKind::Group, group);
        }
        Error::from_code(code, format!("cannot read what group {group} has committed"))
    })
}

/// Asks the group's coordinator once what its members have; none while the group rebalances.
pub(crate) async fn ask_shares(
    cluster: &Cluster,
    group: &str,
    deadline: Instant,
) -> Result<Option<BTreeSet<TopicPartition>>, Error> {
    let target = Target::Coordinator(CoordinatorKind::Group, group.to_owned());
    let request = |_| requests::shares_request(group);
    let (response, _) = cluster.call_by_version(target, request, CallOptions::until(deadline)).await?;
    let shares = requests::shares_answer(response).map_err(|code| {
        if code.refreshes_coordinator() {
            cluster.forget_coordinator(CoordinatorKind::Group, group);
        }
        Error::from_code(code, format!("cannot read what the members of group {group} have"))
    })?;
    let Some(shares) = shares else { return Ok(None) };
    let mut owned = BTreeSet::new();
    for share in shares.into_iter().filter(|share| !share.is_empty()) {
        let share = Assignment::decode(share).map_err(|error| {
            let what = format!("the share of a member of group {group} cannot be read");
            Error::new(ErrorKind::Membership, what).because(error)
        })?;
        owned.extend(share.partitions);
    }
    Ok(Some(owned))
}

/// Sends one commit to the group's coordinator.
pub(crate) async fn send_commit(
    cluster: &Cluster,
    member: &ConsumerGroupMetadata,
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ids: &TopicIds,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, ErrorCode>, Error> {
    let request = |version| requests::offset_commit_request(member, offsets, ids, version);
    let mut options = CallOptions::until(deadline);
    options.max_version = requests::offsets_version_cap(offsets.keys(), ids);
    let target = Target::Coordinator(CoordinatorKind::Group, member.group_id.clone());
    let (response, _) = cluster.call_by_version(target, request, options).await?;
    let codes = requests::offset_commit_answer(response, ids);
    if codes.values().any(|code| code.refreshes_coordinator()) {
        cluster.forget_coordinator(CoordinatorKind::Group, &member.group_id);
    }
    Ok(codes)
}

/// The ids of the partitions' topics, as far as metadata know them.
pub(crate) fn topic_ids<'a>(
    cluster: &Cluster,
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> TopicIds {
    let snapshot = cluster.snapshot();
    let known = partitions.into_iter().filter_map(|partition| {
        let topic = snapshot.topic(&partition.topic)?;
        Some((partition.topic.clone(), topic.id))
    });
    known.collect()
}

/// Offsets by time for partitions anywhere in the cluster, tried until all are answered or `deadline` comes.
pub(crate) async fn offsets_by_time(
    kafka: &Kafka,
    mut open: BTreeMap<TopicPartition, UnixMillis>,
    isolation: IsolationLevel,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Option<ListedOffset>>, Error> {
    let cluster = kafka.cluster();
    let mut found = BTreeMap::new();
    let mut pace = Pace::new(kafka, deadline);
    while !open.is_empty() {
        let mut last = None;
        for (node, partitions) in by_leader(kafka, &open, deadline).await? {
            match ask_offsets(cluster, node, &partitions, isolation, pace.attempt_deadline()).await {
                Ok(answers) => take_answers(answers, &mut open, &mut found, &mut last)?,
                Err(error) if error.is_retriable() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = last {
            cluster.refresh("offsets were asked of a broker that cannot tell");
            pace.wait(error).await?;
        }
    }
    Ok(found)
}

fn take_answers(
    answers: Answers<Option<ListedOffset>>,
    open: &mut BTreeMap<TopicPartition, UnixMillis>,
    found: &mut BTreeMap<TopicPartition, Option<ListedOffset>>,
    last: &mut Option<Error>,
) -> Result<(), Error> {
    for (partition, answer) in answers {
        match answer {
            Ok(offset) => {
                if open.remove(&partition).is_some() {
                    found.insert(partition, offset);
                }
            }
            Err(code) => {
                let error = Error::from_code(code, "cannot look up an offset").at(&partition);
                if !error.is_retriable() && code != ErrorCode::UNKNOWN_LEADER_EPOCH {
                    return Err(error);
                }
                *last = Some(error);
            }
        }
    }
    Ok(())
}

type ByLeader = BTreeMap<NodeId, BTreeMap<TopicPartition, (UnixMillis, LeaderEpoch)>>;

/// The partitions by their leaders; those without one are left out and asked for in the next round.
async fn by_leader(
    kafka: &Kafka,
    partitions: &BTreeMap<TopicPartition, UnixMillis>,
    deadline: Instant,
) -> Result<ByLeader, Error> {
    let mut groups = ByLeader::new();
    let mut leaderless = None;
    for (partition, timestamp) in partitions {
        let topic = kafka.cluster().existing_topic(&partition.topic, deadline).await?;
        let Some(known) = topic.partition(partition.partition) else {
            return Err(Error::new(
                ErrorKind::UnknownTopic,
                format!("topic {} has {} partitions", topic.name, topic.partition_count()),
            )
            .at(partition));
        };
        match known.leader {
            Some(leader) => {
                groups.entry(leader).or_default().insert(partition.clone(), (*timestamp, known.leader_epoch));
            }
            None => leaderless = Some(partition),
        }
    }
    if let Some(partition) = leaderless.filter(|_| groups.is_empty()) {
        kafka.cluster().refresh("a partition has no leader");
        let mut watch = kafka.cluster().watch();
        let missing =
            || Error::from_code(ErrorCode::LEADER_NOT_AVAILABLE, "the partition has no leader").at(partition);
        before(kafka, deadline, watch.changed(), missing).await?;
    }
    Ok(groups)
}

/// What a group has committed, tried until the coordinator answers or `deadline` comes.
pub(crate) async fn committed(
    kafka: &Kafka,
    group: &str,
    partitions: &[TopicPartition],
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
    let mut pace = Pace::new(kafka, deadline);
    for partition in partitions {
        kafka.cluster().existing_topic(&partition.topic, deadline).await?;
    }
    loop {
        let ids = topic_ids(kafka.cluster(), partitions);
        let attempt = pace.attempt_deadline();
        let error = match ask_committed(kafka.cluster(), group, partitions, &ids, attempt).await {
            Ok(answers) => match all_committed(answers) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !error.is_retriable() {
            return Err(error);
        }
        pace.wait(error).await?;
    }
}

fn all_committed(
    answers: BTreeMap<TopicPartition, Committed>,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, Error> {
    let answers = answers.into_iter().map(|(partition, answer)| match answer {
        Ok(offset) => Ok((partition, offset)),
        Err(code) => Err(Error::from_code(code, "cannot read the committed offset").at(&partition)),
    });
    answers.collect()
}

/// The waits between attempts of one call.
struct Pace<'a> {
    kafka: &'a Kafka,
    deadline: Instant,
    attempts: u32,
    rng: courant_runtime::Rng,
}

impl<'a> Pace<'a> {
    fn new(kafka: &'a Kafka, deadline: Instant) -> Self {
        Self { kafka, deadline, attempts: 0, rng: kafka.world().rng("courant-consumer/lookup") }
    }

    /// The deadline of one attempt.
    fn attempt_deadline(&self) -> Instant {
        (self.kafka.world().now() + self.kafka.settings().request_timeout).min(self.deadline)
    }

    /// Waits before the next attempt; `error` is what the last one ended with, and the result when there is no more time.
    async fn wait(&mut self, error: Error) -> Result<(), Error> {
        let world = self.kafka.world();
        let at = world.now() + self.kafka.settings().retry_backoff.delay(self.attempts, self.rng.unit_f64());
        self.attempts = self.attempts.saturating_add(1);
        if at >= self.deadline {
            return Err(error);
        }
        world.sleep_until(at).await;
        Ok(())
    }
}

/// `future`, unless `deadline` comes first.
pub(crate) async fn before<T>(
    kafka: &Kafka,
    deadline: Instant,
    future: impl Future<Output = T>,
    late: impl FnOnce() -> Error,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        value = future => Ok(value),
        () = kafka.world().sleep_until(deadline) => Err(late()),
    }
}
