//! Driving a call: open items to their brokers, answers to the items, waits in between.
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use courant_client::retry::RetryPolicy;
use courant_client::{CallOptions, Cluster, CoordinatorKind, ErrorKind, Target, Topic};
use courant_protocol::api::Request;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::types::{NodeId, TopicName, TopicPartition};

use crate::admin::Admin;
use crate::error::Error;
use crate::machine::{OpenItems, Step};

/// Which broker an item belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Any broker.
    Any,
    /// The broker that changes the cluster.
    Controller,
    /// This broker.
    Node(NodeId),
    /// The leader of the partition.
    Leader(TopicPartition),
    /// The broker that coordinates the group.
    Coordinator(String),
}

/// What a broker said about an item.
pub(crate) type Answer<V> = Result<V, (ErrorCode, Option<String>)>;

/// An API with several items to a request.
pub(crate) trait Api: Sync {
    /// What one item is.
    type Item: Clone + Send + Sync;
    /// What one item gives.
    type Value: Send;
    /// The request.
    type Request: Request<Response: Send> + Send + Sync;

    /// What is done to an item, behind "cannot".
    const WHAT: &'static str;

    /// The highest version of the request that this code writes.
    const MAX_VERSION: i16 = i16::MAX;

    /// Where the item goes.
    fn route(&self, item: &Self::Item) -> Route;

    /// Whether another attempt may help after this error of an item.
    fn is_retried(&self, code: ErrorCode) -> bool;

    /// Whether another attempt may help where there was no answer.
    fn is_asked_again(&self, item: &Self::Item, error: &courant_client::Error) -> bool {
        let _ = item;
        error.is_retriable()
    }

    /// How many items one request of this version takes.
    fn max_items(&self, version: i16) -> usize {
        let _ = version;
        usize::MAX
    }

    /// The request for these items.
    fn request(&self, items: &[Self::Item], version: i16, timeout_ms: i32) -> Self::Request;

    /// How long the broker wants to be left alone.
    fn throttle_ms(response: &<Self::Request as Request>::Response) -> i32;

    /// The answer for each of the items, in their order; `None` where the broker left one out.
    fn answers(
        &self,
        items: &[Self::Item],
        version: i16,
        response: <Self::Request as Request>::Response,
    ) -> Vec<Option<Answer<Self::Value>>>;

    /// Says which item an error belongs to.
    fn locate(&self, item: &Self::Item, error: courant_client::Error) -> courant_client::Error;
}

/// Only these are worth another attempt for what changes the cluster: the others say that it was decided (Java's
/// `KafkaAdminClient` draws the line alike).
pub(crate) fn controller_retries(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_CONTROLLER | ErrorCode::THROTTLING_QUOTA_EXCEEDED)
}

/// A coordinator that is loading, or no longer one, says nothing about the group (Java's `CoordinatorStrategy`).
pub(crate) fn coordinator_retries(code: ErrorCode) -> bool {
    code == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS || code.refreshes_coordinator()
}

/// The response to some items and its version, or why there is none.
type Answered<A> = Result<(<<A as Api>::Request as Request>::Response, i16), courant_client::Error>;

/// Calls `api` for `items` until each has a result or the time is up.
pub(crate) async fn run<A: Api>(admin: &Admin, api: &A, items: Vec<A::Item>) -> Vec<Result<A::Value, Error>> {
    let results = run_within(admin, admin.policy(), api, items).await;
    results.into_iter().map(|result| result.map_err(Error::from)).collect()
}

/// As [`run`], as one part of a call that ends with `policy`.
pub(crate) async fn run_within<A: Api>(
    admin: &Admin,
    policy: RetryPolicy,
    api: &A,
    items: Vec<A::Item>,
) -> Vec<Result<A::Value, courant_client::Error>> {
    let (cluster, world) = (admin.cluster(), admin.cluster().world());
    let mut rng = world.rng("courant-admin");
    let mut open = OpenItems::new(world.now(), items.len(), policy);
    loop {
        match open.poll_step(world.now()) {
            Step::Done => break,
            Step::WaitUntil(at) => world.sleep_until(at).await,
            Step::Attempt => {
                attempt(cluster, api, &items, &mut open, &policy).await;
                open.handle_attempt_end(world.now(), rng.unit_f64());
            }
        }
    }
    open.into_results()
}

async fn attempt<A: Api>(
    cluster: &Cluster,
    api: &A,
    items: &[A::Item],
    open: &mut OpenItems<A::Value>,
    policy: &RetryPolicy,
) {
    let groups = group(cluster, api, items, open, policy.deadline).await;
    let calls = groups.iter().map(|(target, indices)| {
        let chosen: Vec<A::Item> = indices.iter().filter_map(|index| items.get(*index)).cloned().collect();
        boxed(call_in_parts(cluster, api, target.clone(), chosen, policy.deadline))
    });
    let answers = join(calls.collect()).await;
    for ((_, indices), parts) in groups.iter().zip(answers) {
        let mut indices = indices.as_slice();
        for (chosen, response) in parts {
            let (part, rest) = indices.split_at_checked(chosen.len()).unwrap_or((indices, &[]));
            indices = rest;
            settle(cluster, api, part, &chosen, response, open);
        }
    }
}

/// Sends the items of one broker in as few requests as its version of the API allows.
async fn call_in_parts<A: Api>(
    cluster: &Cluster,
    api: &A,
    target: Target,
    items: Vec<A::Item>,
    deadline: Instant,
) -> Vec<(Vec<A::Item>, Answered<A>)> {
    let options = CallOptions { max_version: A::MAX_VERSION, ..CallOptions::until(deadline) };
    let mut parts = Vec::new();
    let mut rest = items.as_slice();
    while !rest.is_empty() {
        let part = |version| rest.get(..api.max_items(version).max(1)).unwrap_or(rest);
        let remaining = deadline.saturating_duration_since(cluster.world().now());
        let request = |version| api.request(part(version), version, millis(remaining));
        let answered = cluster.call_by_version(target.clone(), request, options).await;
        // Whatever kept one part from being answered keeps the others from it as well.
        let sent = answered.as_ref().map_or(rest, |(_, version)| part(*version));
        parts.push((sent.to_vec(), answered));
        rest = rest.get(sent.len()..).unwrap_or_default();
    }
    parts
}

/// The open items by the broker that they go to. Items whose leader or coordinator is not known are put off.
async fn group<A: Api>(
    cluster: &Cluster,
    api: &A,
    items: &[A::Item],
    open: &mut OpenItems<A::Value>,
    deadline: Instant,
) -> Vec<(Target, Vec<usize>)> {
    let mut groups: BTreeMap<(u8, NodeId), (Target, Vec<usize>)> = BTreeMap::new();
    let mut topics = BTreeMap::new();
    let coordinators = coordinators(cluster, api, items, open, deadline).await;
    for index in open.open() {
        let Some(item) = items.get(index) else {
            continue;
        };
        let target = match api.route(item) {
            Route::Any => Target::Any,
            Route::Controller => Target::Controller,
            Route::Node(node) => Target::Node(node),
            Route::Leader(partition) => match leader(cluster, &mut topics, &partition, deadline).await {
                Ok(node) => Target::Node(node),
                Err(error) => {
                    open.handle_error(index, api.locate(item, error.clone()), error.is_retriable());
                    continue;
                }
            },
            Route::Coordinator(group) => match coordinators.get(&group) {
                Some(Ok(node)) => Target::Node(*node),
                Some(Err(error)) => {
                    open.handle_error(index, api.locate(item, error.clone()), error.is_retriable());
                    continue;
                }
                None => continue,
            },
        };
        let key = match target {
            Target::Node(node) => (1, node),
            _ => (0, NodeId::NONE),
        };
        groups.entry(key).or_insert_with(|| (target, Vec::new())).1.push(index);
    }
    groups.into_values().collect()
}

/// The coordinators of the groups that open items belong to, found in one request.
async fn coordinators<A: Api>(
    cluster: &Cluster,
    api: &A,
    items: &[A::Item],
    open: &OpenItems<A::Value>,
    deadline: Instant,
) -> BTreeMap<String, Result<NodeId, courant_client::Error>> {
    let routes = open.open().into_iter().filter_map(|index| items.get(index)).map(|item| api.route(item));
    let mut groups: Vec<String> = routes
        .filter_map(|route| match route {
            Route::Coordinator(group) => Some(group),
            _ => None,
        })
        .collect();
    groups.sort();
    groups.dedup();
    let found = cluster.coordinators(CoordinatorKind::Group, &groups, deadline).await;
    groups.into_iter().zip(found).collect()
}

/// What was found out about the topics of one attempt.
type Topics = BTreeMap<TopicName, Result<Arc<Topic>, courant_client::Error>>;

async fn leader(
    cluster: &Cluster,
    topics: &mut Topics,
    partition: &TopicPartition,
    deadline: Instant,
) -> Result<NodeId, courant_client::Error> {
    if !topics.contains_key(&partition.topic) {
        // A topic that is not there must not hold up the others for long; it has its turn in the next attempt.
        let soon = cluster.world().now() + TOPIC_WAIT;
        let found = cluster.existing_topic(&partition.topic, deadline.min(soon)).await;
        topics.insert(partition.topic.clone(), found);
    }
    let topic = match topics.get(&partition.topic) {
        Some(found) => found.clone()?,
        None => return Err(courant_client::Error::new(ErrorKind::Internal, "a topic was not looked up")),
    };
    let Some(known) = topic.partition(partition.partition) else {
        cluster.refresh("a partition is not known");
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return Err(courant_client::Error::from_code(code, "the topic has no such partition"));
    };
    known.leader.ok_or_else(|| {
        cluster.refresh("a partition has no leader");
        courant_client::Error::from_code(ErrorCode::LEADER_NOT_AVAILABLE, "the partition has no leader")
    })
}

/// Gives each item of a group its answer.
fn settle<A: Api>(
    cluster: &Cluster,
    api: &A,
    indices: &[usize],
    items: &[A::Item],
    response: Answered<A>,
    open: &mut OpenItems<A::Value>,
) {
    let (response, version) = match response {
        Ok(answered) => answered,
        Err(error) => {
            // The controller or the leader may have moved because its broker went away.
            cluster.refresh("an admin call was not answered");
            for (index, item) in indices.iter().zip(items) {
                forget_coordinator(cluster, api, item);
                open.handle_error(*index, api.locate(item, error.clone()), api.is_asked_again(item, &error));
            }
            return;
        }
    };
    let throttle = u64::try_from(A::throttle_ms(&response)).unwrap_or_default();
    let answers = api.answers(items, version, response);
    for ((index, item), answer) in indices.iter().zip(items).zip(answers) {
        match answer {
            Some(Ok(value)) => open.handle_value(*index, value),
            Some(Err((code, message))) => {
                let again = api.is_retried(code);
                if again && code == ErrorCode::THROTTLING_QUOTA_EXCEEDED {
                    open.handle_throttle(Duration::from_millis(throttle));
                } else if again && matches!(api.route(item), Route::Coordinator(_)) {
                    if code.refreshes_coordinator() {
                        forget_coordinator(cluster, api, item);
                    }
                } else if again {
                    cluster.refresh("a broker refused an admin call");
                }
                let error = Error::refused(code, A::WHAT, message.as_deref());
                open.handle_error(*index, api.locate(item, error), again);
            }
            None => {
                let error = courant_client::Error::new(ErrorKind::Protocol, "the broker left an item out");
                open.handle_error(*index, api.locate(item, error), false);
            }
        }
    }
}

/// The next attempt looks for the group's coordinator again.
fn forget_coordinator<A: Api>(cluster: &Cluster, api: &A, item: &A::Item) {
    if let Route::Coordinator(group) = api.route(item) {
        cluster.forget_coordinator(CoordinatorKind::Group, &group);
    }
}

/// One request that is tried again while that may help.
pub(crate) async fn single<R: Request>(
    admin: &Admin,
    target: Target,
    request: impl Fn(i16) -> R + Sync,
    check: impl Fn(&R::Response) -> Result<(), courant_client::Error> + Sync,
) -> Result<(R::Response, i16), courant_client::Error> {
    single_within(admin, admin.policy(), target, request, check).await
}

/// As [`single`], as one part of a call that ends with `policy`.
pub(crate) async fn single_within<R: Request>(
    admin: &Admin,
    policy: RetryPolicy,
    target: Target,
    request: impl Fn(i16) -> R + Sync,
    check: impl Fn(&R::Response) -> Result<(), courant_client::Error> + Sync,
) -> Result<(R::Response, i16), courant_client::Error> {
    let (cluster, world) = (admin.cluster(), admin.cluster().world());
    let mut rng = world.rng("courant-admin");
    let mut open = OpenItems::new(world.now(), 1, policy);
    loop {
        match open.poll_step(world.now()) {
            Step::Done => break,
            Step::WaitUntil(at) => world.sleep_until(at).await,
            Step::Attempt => {
                let options = CallOptions::until(policy.deadline);
                let response = cluster.call_by_version(target.clone(), &request, options).await;
                match response.and_then(|answered| check(&answered.0).map(|()| answered)) {
                    Ok(answered) => open.handle_value(0, answered),
                    Err(error) => {
                        let again = error.is_retriable();
                        open.handle_error(0, error, again);
                    }
                }
                open.handle_attempt_end(world.now(), rng.unit_f64());
            }
        }
    }
    let internal = || courant_client::Error::new(ErrorKind::Internal, "a call was left without a result");
    open.into_results().pop().unwrap_or_else(|| Err(internal()))
}

/// How long one attempt waits for a topic that its leader is asked from.
const TOPIC_WAIT: Duration = Duration::from_secs(1);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(future)
}

/// Waits for all of a few futures; they are polled in order, so that a simulated run repeats.
async fn join<T: Send>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(move |context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(outputs.drain(..).flatten().collect())
    })
    .await
}

/// A duration as the protocol's timeouts have it.
fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
