//! Requests of the driver on the client's shared connections: questions about offsets, commits, membership.
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use courant_client::{CallOptions, CoordinatorKind, Kafka, Target, TrafficClass};
use courant_membership::classic::{ClassicRequest, Ticket};
use courant_protocol::api::Request;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, MetadataRequest, SyncGroupResponse,
};
use courant_protocol::types::{ConsumerGroupMetadata, NodeId, TopicName, TopicPartition};
use courant_runtime::moment_after;

use crate::config::ConsumerSettings;
use crate::error::{Error, ErrorKind};
use crate::lookup::{self, Answers};
use crate::machine::commit::CommitRequest;
use crate::machine::isolation::IsolationLevel;
use crate::machine::partition::Question;
use crate::machine::subscription::{Answer, Asked};
use crate::requests::TopicIds;

/// A request that is out.
pub(crate) type Call = Pin<Box<dyn Future<Output = CallDone> + Send>>;

/// What came of it.
pub(crate) enum CallDone {
    /// The answers to questions, and what failed on the way, if that concerns more than them.
    Answers(Vec<(Asked, Answer)>, Option<Error>),
    /// The answer to a commit.
    Commit(Result<BTreeMap<TopicPartition, ErrorCode>, Error>),
    /// The answers to a member's requests.
    Join(Ticket, Result<JoinGroupResponse, courant_client::Error>),
    Sync(Ticket, Result<SyncGroupResponse, courant_client::Error>),
    Heartbeat(Ticket, Result<HeartbeatResponse, courant_client::Error>),
    Left(Result<LeaveGroupResponse, courant_client::Error>),
    /// The cluster's topics.
    Topics(Result<Vec<TopicName>, Error>),
    /// What the members of the group have in a generation; none while it rebalances.
    Shares(i32, Result<Option<BTreeSet<TopicPartition>>, Error>),
}

/// One call per broker and kind of question.
pub(crate) fn questions(
    kafka: &Kafka,
    settings: &Arc<ConsumerSettings>,
    questions: Vec<Asked>,
    ids: &TopicIds,
    now: Instant,
) -> Vec<Call> {
    let deadline = now + kafka.settings().request_timeout;
    let mut committed = Vec::new();
    let mut offsets: BTreeMap<NodeId, Vec<Asked>> = BTreeMap::new();
    let mut epochs: BTreeMap<NodeId, Vec<Asked>> = BTreeMap::new();
    for asked in questions {
        match asked.question {
            Question::Committed => committed.push(asked),
            Question::OffsetAt(node, _) => offsets.entry(node).or_default().push(asked),
            Question::EpochEnd(node, _) => epochs.entry(node).or_default().push(asked),
        }
    }
    let mut calls: Vec<Call> = Vec::new();
    if !committed.is_empty() {
        calls.push(Box::pin(ask_committed(
            kafka.clone(),
            Arc::clone(settings),
            committed,
            ids.clone(),
            deadline,
        )));
    }
    for (node, asked) in offsets {
        calls.push(Box::pin(ask_offsets(kafka.clone(), settings.isolation, node, asked, deadline)));
    }
    for (node, asked) in epochs {
        calls.push(Box::pin(ask_epochs(kafka.clone(), node, asked, deadline)));
    }
    calls
}

/// A commit.
pub(crate) fn commit(
    kafka: &Kafka,
    settings: &Arc<ConsumerSettings>,
    request: CommitRequest,
    mut ids: TopicIds,
    now: Instant,
) -> Call {
    let (kafka, settings) = (kafka.clone(), Arc::clone(settings));
    let deadline = now + kafka.settings().request_timeout;
    let deadline = request.deadline.map_or(deadline, |whole| deadline.min(whole));
    Box::pin(async move {
        // Offsets of partitions that are not assigned are committed as well.
        for (topic, id) in lookup::topic_ids(kafka.cluster(), request.offsets.keys()) {
            ids.entry(topic).or_insert(id);
        }
        let no_member = || ConsumerGroupMetadata::no_member(settings.group.as_deref().unwrap_or_default());
        let member = request.member.clone().unwrap_or_else(no_member);
        CallDone::Commit(
            lookup::send_commit(kafka.cluster(), &member, &request.offsets, &ids, deadline).await,
        )
    })
}

/// A member's request to the coordinator of its group; `lane` is the connection for those that wait there.
pub(crate) fn membership(
    kafka: &Kafka,
    group: &str,
    request: ClassicRequest,
    lane: TrafficClass,
    now: Instant,
) -> Call {
    let (kafka, target) = (kafka.clone(), Target::Coordinator(CoordinatorKind::Group, group.to_owned()));
    let options = |timeout: Duration, class: Option<TrafficClass>| {
        let deadline = moment_after(now, timeout);
        CallOptions { class, request_timeout: Some(timeout), ..CallOptions::until(deadline) }
    };
    match request {
        ClassicRequest::Join(ticket, request, timeout) => {
            let options = options(timeout, Some(lane));
            Box::pin(async move {
                CallDone::Join(ticket, ask(&kafka, target, |_| request.clone(), options).await)
            })
        }
        ClassicRequest::Sync(ticket, request, timeout) => {
            let options = options(timeout, Some(lane));
            Box::pin(async move {
                CallDone::Sync(ticket, ask(&kafka, target, |_| request.clone(), options).await)
            })
        }
        ClassicRequest::Heartbeat(ticket, request, timeout) => {
            // Its answer is waited for a shorter time than the connection's, which others use as well.
            let options = CallOptions { request_timeout: None, ..options(timeout, None) };
            Box::pin(async move {
                CallDone::Heartbeat(ticket, ask(&kafka, target, |_| request.clone(), options).await)
            })
        }
        ClassicRequest::Leave(leave, timeout) => {
            let options = options(timeout, None);
            Box::pin(async move {
                CallDone::Left(ask(&kafka, target, |version| leave.request(version), options).await)
            })
        }
    }
}

/// Asks for the names of all topics, Kafka's own left out if `without_internal`.
pub(crate) fn listing(kafka: &Kafka, without_internal: bool, now: Instant) -> Call {
    let kafka = kafka.clone();
    let options = CallOptions::until(now + kafka.settings().request_timeout);
    Box::pin(async move {
        let all =
            |_| MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() };
        let answer = ask(&kafka, Target::Any, all, options).await;
        CallDone::Topics(answer.map_err(Error::from).map(|answer| {
            let topics = answer.topics.into_iter().filter(|topic| !(topic.is_internal && without_internal));
            topics.filter_map(|topic| Some(TopicName::from(&*topic.name?))).collect()
        }))
    })
}

/// Asks the coordinator of a group what its members have.
pub(crate) fn shares(kafka: &Kafka, group: &str, generation_id: i32, now: Instant) -> Call {
    let (kafka, group) = (kafka.clone(), group.to_owned());
    let deadline = now + kafka.settings().request_timeout;
    Box::pin(async move {
        CallDone::Shares(generation_id, lookup::ask_shares(kafka.cluster(), &group, deadline).await)
    })
}

async fn ask<R: Request>(
    kafka: &Kafka,
    target: Target,
    request: impl Fn(i16) -> R,
    options: CallOptions,
) -> Result<R::Response, courant_client::Error> {
    let (response, _) = kafka.cluster().call_by_version(target, request, options).await?;
    Ok(response)
}

async fn ask_committed(
    kafka: Kafka,
    settings: Arc<ConsumerSettings>,
    asked: Vec<Asked>,
    ids: TopicIds,
    deadline: Instant,
) -> CallDone {
    let partitions: Vec<_> = asked.iter().map(|asked| asked.partition.clone()).collect();
    let group = settings.group.as_deref().unwrap_or_default();
    let answers = lookup::ask_committed(kafka.cluster(), group, &partitions, &ids, deadline).await;
    done(asked, answers, Answer::Committed)
}

async fn ask_offsets(
    kafka: Kafka,
    isolation: IsolationLevel,
    node: NodeId,
    asked: Vec<Asked>,
    deadline: Instant,
) -> CallDone {
    let wanted = asked.iter().filter_map(|asked| match asked.question {
        Question::OffsetAt(_, timestamp) => Some((asked.partition.clone(), (timestamp, asked.leader_epoch))),
        _ => None,
    });
    let answers = lookup::ask_offsets(kafka.cluster(), node, &wanted.collect(), isolation, deadline).await;
    done(asked, answers, |listed| Answer::OffsetAt(listed.map(|listed| (listed.offset, listed.leader_epoch))))
}

async fn ask_epochs(kafka: Kafka, node: NodeId, asked: Vec<Asked>, deadline: Instant) -> CallDone {
    let wanted = asked.iter().filter_map(|asked| match asked.question {
        Question::EpochEnd(_, epoch) => Some((asked.partition.clone(), (epoch, asked.leader_epoch))),
        _ => None,
    });
    let answers = lookup::ask_epoch_ends(kafka.cluster(), node, &wanted.collect(), deadline).await;
    done(asked, answers, Answer::EpochEnd)
}

/// Ties what was answered to what was asked.
fn done<T>(asked: Vec<Asked>, answers: Result<Answers<T>, Error>, answer: impl Fn(T) -> Answer) -> CallDone {
    let (mut answers, failure) = match answers {
        Ok(answers) => (answers, None),
        Err(error) => (Answers::new(), Some(error)),
    };
    let missing = || {
        Error::new(ErrorKind::Client(courant_client::ErrorKind::Protocol), "the broker left a partition out")
    };
    let paired = asked.into_iter().map(|asked| {
        let told = match (answers.remove(&asked.partition), &failure) {
            (Some(Ok(value)), _) => answer(value),
            (Some(Err(code)), _) => Answer::Code(code),
            (None, Some(failure)) => Answer::Error(failure.clone()),
            (None, None) => Answer::Error(missing()),
        };
        (asked, told)
    });
    let paired = paired.collect();
    CallDone::Answers(paired, failure)
}
