//! The consumer's only loop: moves requests and answers between the state and the brokers.
//!
//! One turn handles one event, looked for in a fixed order (commands, fetch connections, other answers, metadata, timer),
//! and then sends whatever the state asks for. It owns the fetch connections, so an answer reaches the state without a
//! hop through another task.
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use courant_client::{Kafka, MetadataWatch, TopicsLease, TrafficClass};
use courant_protocol::types::{NodeId, TopicName, TopicPartition};
use courant_protocol::wire::Str;
use courant_runtime::{Rng, Sleep};

use crate::calls::{Call, CallDone};
use crate::config::ConsumerSettings;
use crate::error::{Error, ErrorKind};
use crate::links::{LinkNews, Links};
use crate::machine::fetcher::FetchPlan;
use crate::machine::reading::Reading;
use crate::machine::subscription::TopicView;
use crate::requests::TopicIds;
use crate::shared::Shared;

/// The loop and what it owns.
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kafka: Kafka,
    pub(crate) settings: Arc<ConsumerSettings>,
    links: Links,
    /// Questions and commits that are out: a handful.
    pub(crate) calls: Vec<Call>,
    watch: MetadataWatch,
    /// Keeps the assigned topics in the client's metadata.
    pub(crate) lease: Option<TopicsLease>,
    timer: Sleep,
    /// Until when the brokers' word that the fetch sessions have ended is waited for.
    sessions_until: Option<Instant>,
    /// Until when the answer to a farewell is waited for that went out when time was over.
    farewell_until: Option<Instant>,
    /// The connection over which this member joins.
    pub(crate) lane: TrafficClass,
    /// Whether a request waits on it.
    pub(crate) lane_is_taken: bool,
    /// Ready once the client below is closed.
    client_closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) rng: Rng,
}

/// What a turn of the loop begins with.
enum Event {
    Kicked,
    Link(NodeId, LinkNews),
    Call(CallDone),
    Metadata,
    ClientClosed,
    Timer,
}

/// A fetch that waits at a broker holds the end of its session back: longer than usual it is not waited for, since a
/// broker forgets a session that nobody uses.
const SESSIONS_END: Duration = Duration::from_secs(1);

/// The least that the farewell to the group has, where commits take all the time that there is.
pub(crate) const FAREWELL: Duration = Duration::from_millis(500);

/// How long an idle loop sleeps at most: a safeguard without cost.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, kafka: Kafka, settings: Arc<ConsumerSettings>) -> Self {
        let rack = Str::from(settings.rack.as_str());
        let cluster = kafka.cluster().clone();
        Self {
            client_closed: Box::pin(async move { cluster.closed().await }),
            links: Links::new(kafka.clone(), settings.isolation, rack, settings.fetch_max_wait),
            calls: Vec::new(),
            watch: kafka.cluster().watch(),
            lease: None,
            sessions_until: None,
            farewell_until: None,
            lane: kafka.cluster().new_member_class(),
            lane_is_taken: false,
            timer: kafka.world().sleep_until(kafka.world().now()),
            rng: kafka.world().rng("courant-consumer/driver"),
            shared,
            kafka,
            settings,
        }
    }

    /// Runs until the consumer is closed or let go of.
    pub(crate) async fn run(mut self) {
        loop {
            let now = self.kafka.world().now();
            if self.step(now) {
                break;
            }
            let wake = self.next_deadline(now);
            self.timer.reset(wake);
            let event = poll_fn(|cx| self.poll_event(cx)).await;
            self.handle(event);
        }
        if let Some(interceptors) = &self.shared.interceptors {
            interceptors.close();
        }
        self.shared.wake_application();
        self.links.close(self.kafka.world().now());
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.shared.poll_kicked(cx).is_ready() {
            return Poll::Ready(Event::Kicked);
        }
        let now = self.kafka.world().now();
        if let Poll::Ready((node, news)) = self.links.poll(cx, now) {
            return Poll::Ready(Event::Link(node, news));
        }
        for index in 0..self.calls.len() {
            let Some(call) = self.calls.get_mut(index) else { break };
            if let Poll::Ready(done) = call.as_mut().poll(cx) {
                drop(self.calls.swap_remove(index));
                return Poll::Ready(Event::Call(done));
            }
        }
        if self.client_closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::ClientClosed);
        }
        if self.watch.poll_changed(cx).is_ready() {
            return Poll::Ready(Event::Metadata);
        }
        Pin::new(&mut self.timer).poll(cx).map(|()| Event::Timer)
    }

    fn handle(&mut self, event: Event) {
        let now = self.kafka.world().now();
        let jitter = self.rng.unit_f64();
        let mut reading = self.shared.reading();
        match event {
            Event::Kicked | Event::Timer => return,
            Event::ClientClosed => reading.end_with(Ok(())),
            Event::Metadata => {
                let views = views(&self.kafka, &reading.subscription.topics());
                reading.handle_metadata(now, &views, jitter);
                reading.note_view_changed();
            }
            Event::Link(node, LinkNews::Answer(answer)) => reading.handle_fetch(now, node, answer, jitter),
            Event::Link(_, LinkNews::Ready | LinkNews::Ended) => return,
            Event::Link(node, LinkNews::Broken(error)) => {
                reading.handle_fetch_broken(now, node, jitter);
                note_failure(&mut reading, error);
            }
            Event::Call(CallDone::Answers(answers, failure)) => {
                for (asked, answer) in answers {
                    reading.handle_answer(now, &asked, answer, jitter);
                }
                failure.into_iter().for_each(|error| note_failure(&mut reading, error));
            }
            Event::Call(CallDone::Commit(answer)) => reading.handle_commit(now, answer, jitter),
            Event::Call(done) => {
                if matches!(done, CallDone::Join(..) | CallDone::Sync(..)) {
                    self.lane_is_taken = false;
                }
                reading.handle_member_answer(now, done, jitter);
            }
        }
        let taken = reading.commits.take_taken();
        drop(reading);
        if let Some(interceptors) = &self.shared.interceptors {
            taken.iter().for_each(|offsets| interceptors.on_commit(offsets));
        }
        self.shared.wake_application();
    }

    /// Sends what the state asks for; true when the consumer has ended.
    fn step(&mut self, now: Instant) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut reading = shared.reading();
        self.poll_group(now, &mut reading);
        if let Some(topics) = reading.take_assignment_change() {
            self.follow(now, &mut reading, &topics);
        }
        if let Some(electing) = self.take_election(&mut reading) {
            drop(reading);
            self.divide(now, &electing);
            reading = shared.reading();
        }
        if reading.take_metadata_wish(now) {
            self.kafka.cluster().refresh("a consumer needs a leader");
        }
        for hint in reading.take_hints() {
            let TopicPartition { topic, partition } = &hint.partition;
            self.kafka.cluster().apply_leader_hint(topic, *partition, hint.leader, hint.epoch, None);
        }
        if reading.is_closed() {
            self.send_commit(now, &mut reading);
            self.send_membership(now, &mut reading);
            return self.end(now, &mut reading);
        }
        reading.poll_auto_commit(now);
        self.ask(now, &mut reading);
        self.send_commit(now, &mut reading);
        self.send_membership(now, &mut reading);
        self.fetch(now, &mut reading);
        false
    }

    /// Keeps the topics of the assignment in the metadata, and takes what is known of them already.
    fn follow(&mut self, now: Instant, reading: &mut Reading, topics: &[TopicName]) {
        let names = topics.iter().map(|topic| &**topic);
        let cluster = self.kafka.cluster();
        self.lease = (!topics.is_empty()).then(|| match self.settings.creates_topics {
            true => cluster.want_topics(names),
            false => cluster.want_existing_topics(names),
        });
        let assigned = reading.subscription.topics();
        let views = views(&self.kafka, &assigned);
        // Those that the client has never heard of are on their way.
        if views.len() == assigned.len() {
            reading.handle_metadata(now, &views, self.rng.unit_f64());
        }
    }

    fn ask(&mut self, now: Instant, reading: &mut Reading) {
        let questions = reading.poll_questions(now, self.kafka.world().unix_millis());
        if questions.is_empty() {
            return;
        }
        let ids = ids_of(reading);
        self.calls.extend(crate::calls::questions(&self.kafka, &self.settings, questions, &ids, now));
    }

    fn send_commit(&mut self, now: Instant, reading: &mut Reading) {
        let request = reading.poll_commit(now);
        if reading.commits.take_told() {
            self.shared.wake_application();
        }
        let Some(request) = request else { return };
        let ids = ids_of(reading);
        self.calls.push(crate::calls::commit(&self.kafka, &self.settings, request, ids, now));
    }

    fn fetch(&mut self, now: Instant, reading: &mut Reading) {
        for node in reading.fetcher.wanted_nodes(now, &reading.subscription) {
            let Some(version) = self.links.ready_version(node, now) else { continue };
            let knows_ids = version >= crate::requests::FETCH_BY_ID;
            let Some(plan) = reading.poll_fetch(now, node, knows_ids) else { continue };
            if let Err(error) = self.links.send(now, node, &plan) {
                reading.handle_fetch_broken(now, node, self.rng.unit_f64());
                tracing::debug!(target: "courant::consumer", node = node.0, %error, "a fetch could not be sent");
            }
        }
    }

    /// Brings the consumer to its end: last commits, the farewell to the group, then the fetch sessions; true when nothing is left to wait for.
    fn end(&mut self, now: Instant, reading: &mut Reading) -> bool {
        let Some(deadline) = reading.closing_until() else { return true };
        if !(reading.commits.is_idle() && reading.has_departed()) && now < deadline {
            return false;
        }
        if !reading.has_departed() && now < *self.farewell_until.get_or_insert(now + FAREWELL) {
            return false;
        }
        // Whoever closes waits for the end of all this until the deadline.
        let patience = SESSIONS_END.min(deadline.saturating_duration_since(now) / 2);
        let until = *self.sessions_until.get_or_insert(now + patience);
        for node in self.links.nodes() {
            if let Some(session) = reading.fetcher.closing(node) {
                let plan = FetchPlan { session, max_wait: Duration::ZERO, min_bytes: 0, max_bytes: 0 };
                self.links.send_closing(now, node, &plan);
            }
        }
        if self.links.is_closing() && now < until {
            return false;
        }
        reading.finish_close();
        true
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        // Its times are over where only the farewell is left.
        let reading = match self.farewell_until {
            Some(until) => Some(until).filter(|until| now < *until),
            None => self.shared.reading().next_deadline(now),
        };
        let times = [reading, self.links.next_deadline(), self.sessions_until];
        times.into_iter().flatten().min().unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP)
    }
}

impl Drop for Driver {
    /// Whoever waits for a loop that has ended before its time would wait for ever.
    fn drop(&mut self) {
        self.shared.reading().end_untimely();
        self.shared.wake_application();
    }
}

/// Tells the application what no further attempt will mend.
fn note_failure(reading: &mut Reading, error: Error) {
    if error.kind() == ErrorKind::Closed {
        reading.end_with(Ok(()));
    } else if error.is_fatal() {
        reading.report(error);
    }
}

/// What the client knows of these topics.
fn views(kafka: &Kafka, topics: &[TopicName]) -> BTreeMap<TopicName, TopicView> {
    let snapshot = kafka.cluster().snapshot();
    let views = topics.iter().filter_map(|name| {
        let topic = snapshot.topic(name)?;
        let partitions = topic.partitions.iter().map(|partition| (partition.leader, partition.leader_epoch));
        Some((name.clone(), TopicView { id: topic.id, error: topic.error, partitions: partitions.collect() }))
    });
    views.collect()
}

/// The incarnations of topics that the consumer's positions belong to.
fn ids_of(reading: &Reading) -> TopicIds {
    reading.subscription.iter().map(|(partition, state)| (partition.topic.clone(), state.topic_id)).collect()
}
