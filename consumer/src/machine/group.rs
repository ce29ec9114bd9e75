//! The consumer as a member of its group: what it wants, what it was told, and what the application still has to hear.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use courant_membership::classic::{Classic, ClassicSettings, Protocol};
use courant_protocol::embedded::{Assignment, Subscription, VERSION};
use courant_protocol::types::{ConsumerGroupMetadata, TopicName, TopicPartition};

use super::election::Electing;
use super::pattern::Pattern;
use super::returning::Inspection;
use crate::assignor::{GroupCluster, LastAssignment, PartitionAssignor, RebalanceProtocol};
use crate::error::Error;
use crate::listener::Change;

/// What a member is told once.
#[derive(Clone, Debug)]
pub(crate) struct GroupSettings {
    pub(crate) classic: ClassicSettings,
    pub(crate) assignors: Vec<Arc<dyn PartitionAssignor>>,
    pub(crate) rack: Option<String>,
    pub(crate) max_poll_interval: Duration,
    /// How often topics are looked for that match a pattern.
    pub(crate) listing_interval: Duration,
}

impl GroupSettings {
    /// The protocol that all assignors can be used with; the cooperative one, if there is a choice (as in Java).
    pub(crate) fn rebalance_protocol(&self) -> Option<RebalanceProtocol> {
        let (first, others) = self.assignors.split_first()?;
        let mut common: BTreeSet<_> = first.rebalance_protocols().iter().copied().collect();
        for assignor in others {
            common.retain(|protocol| assignor.rebalance_protocols().contains(protocol));
        }
        common.last().copied()
    }

    pub(crate) fn assignor(&self, name: &str) -> Option<&Arc<dyn PartitionAssignor>> {
        self.assignors.iter().find(|assignor| assignor.name() == name)
    }
}

/// A change that the application has to be told of.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) change: Change,
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) then: Then,
}

/// What follows when the application has dealt with a notice.
#[derive(Debug)]
pub(crate) enum Then {
    /// The next notice.
    Nothing,
    /// The member may join again, once the commits that the application made meanwhile are through.
    Rejoin,
    /// The round of the group is over for this member.
    Settle,
}

/// What the assignor of a round wants to hear before records of its partitions are handed out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) assignor: Arc<dyn PartitionAssignor>,
    pub(crate) assignment: Assignment,
    pub(crate) generation_id: i32,
}

impl Outcome {
    /// Tells it. Called outside of all locks, since the assignor may be the application's.
    pub(crate) fn tell(&self) {
        self.assignor.on_assignment(&self.assignment, self.generation_id);
    }
}

/// Whether the application makes progress (KIP-62).
///
/// The time of `max.poll.interval.ms` runs while the application works on what it was given, and while something lies
/// ready that it does not come for; not while it waits in a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It works, since then.
    Busy(Instant),
    /// It waits in a poll, for something that has been ready since then.
    Waiting(Option<Instant>),
}

/// The end of a membership, which begins when the last commits are through, or then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    pub(crate) farewell: bool,
    pub(crate) reason: &'static str,
    pub(crate) deadline: Instant,
}

/// A member, and what stands between it and the application.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) settings: GroupSettings,
    pub(crate) protocol: RebalanceProtocol,
    pub(crate) classic: Classic,
    /// What the application wants to read; none where it has not subscribed.
    pub(crate) topics: Option<BTreeSet<TopicName>>,
    /// Where they are chosen by their names.
    pub(crate) pattern: Option<Pattern>,
    /// What the last JoinGroup said of that.
    pub(crate) joined_topics: BTreeSet<TopicName>,
    pub(crate) last: BTreeMap<String, LastAssignment>,
    /// What the application has to be told, first one first.
    pub(crate) notices: VecDeque<Notice>,
    /// Whether the first notice was given out, and not dealt with yet.
    pub(crate) shown: bool,
    pub(crate) outcome: Option<Outcome>,
    /// What was revoked is given up; the commits that belong to it are waited for until then.
    pub(crate) letting_go: Option<Instant>,
    pub(crate) electing: Option<Electing>,
    /// As the leader: the topics of all members, and what the last assignment was made of.
    pub(crate) group_topics: BTreeSet<TopicName>,
    pub(crate) watched: Option<GroupCluster>,
    pub(crate) leads: bool,
    /// As a leader that took over shares which it did not give.
    pub(crate) inspection: Option<Inspection>,
    /// Whether the view of the cluster has to be compared with [`Self::watched`].
    pub(crate) view_changed: bool,
    pub(crate) activity: Activity,
    /// Whether a waiting application would take records.
    pub(crate) wants_records: bool,
    /// The application was silent for too long: the member stays away until it is back.
    pub(crate) stalled: bool,
    /// The end of the membership was answered by nobody yet, because nothing was lost by it.
    pub(crate) owes_return: bool,
    pub(crate) departure: Option<Departure>,
    /// Why the group refuses the member.
    pub(crate) refusal: Option<Error>,
    /// Subscribed topics of which the application was told that they cannot be read, by that view of the cluster.
    pub(crate) bad_topics: BTreeSet<TopicName>,
    pub(crate) view_version: u64,
}

impl Group {
    pub(crate) fn new(now: Instant, settings: GroupSettings, protocol: RebalanceProtocol) -> Self {
        Self {
            classic: Classic::new(now, settings.classic.clone()),
            protocol,
            topics: None,
            pattern: None,
            joined_topics: BTreeSet::new(),
            last: BTreeMap::new(),
            notices: VecDeque::new(),
            shown: false,
            outcome: None,
            letting_go: None,
            electing: None,
            group_topics: BTreeSet::new(),
            watched: None,
            leads: false,
            inspection: None,
            view_changed: false,
            activity: Activity::Busy(now),
            wants_records: true,
            stalled: false,
            owes_return: false,
            departure: None,
            refusal: None,
            bad_topics: BTreeSet::new(),
            view_version: 0,
            settings,
        }
    }

    /// Whether the group divides the partitions.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.topics.is_some()
    }

    /// What the member offers when it joins; `owned` is what it holds on to.
    pub(crate) fn protocols(&mut self, owned: &[TopicPartition]) -> Vec<Protocol> {
        let generation = Some(self.classic.member().generation_id).filter(|generation| *generation >= 0);
        let topics = self.topics.clone().unwrap_or_default();
        let protocols = self.settings.assignors.iter().filter_map(|assignor| {
            let subscription = Subscription {
                topics: topics.clone(),
                user_data: assignor.user_data(&topics, self.last.get(assignor.name())),
                owned: owned.to_vec(),
                generation,
                rack: self.settings.rack.clone(),
            };
            // Only a name longer than the protocol allows cannot be written, and no such topic exists.
            let metadata = subscription.encode(VERSION).ok()?;
            Some(Protocol { name: assignor.name().to_owned(), metadata })
        });
        let protocols = protocols.collect();
        self.joined_topics = topics;
        self.leads = false;
        self.inspection = None;
        protocols
    }

    /// Who commits.
    pub(crate) fn metadata(&self) -> ConsumerGroupMetadata {
        let settings = &self.settings.classic;
        if !self.is_subscribed() {
            return ConsumerGroupMetadata::no_member(&*settings.group_id);
        }
        let member = self.classic.member();
        ConsumerGroupMetadata {
            group_id: settings.group_id.clone(),
            generation_id: member.generation_id,
            member_id: member.member_id.clone(),
            group_instance_id: settings.group_instance_id.clone(),
        }
    }

    /// Whether a notice waits for the application.
    pub(crate) fn has_notice(&self) -> bool {
        !self.shown && !self.notices.is_empty() && self.departure.is_none()
    }

    /// When the application will have been silent for too long.
    pub(crate) fn stalls_at(&self) -> Option<Instant> {
        let counts = self.is_subscribed() && self.classic.is_in();
        if !counts || self.stalled || self.departure.is_some() {
            return None;
        }
        match self.activity {
            Activity::Busy(since) | Activity::Waiting(Some(since)) => {
                since.checked_add(self.settings.max_poll_interval)
            }
            Activity::Waiting(None) => None,
        }
    }

    /// When to look again; `now` bounds a time that begins without the driver's knowledge.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let unknown = matches!(self.activity, Activity::Waiting(None)) && self.is_subscribed();
        let bound = unknown.then(|| now.checked_add(self.settings.max_poll_interval)).flatten();
        let inspection = self.inspection.as_ref().filter(|_| self.classic.is_stable());
        let times = [
            self.classic.next_deadline(),
            self.stalls_at().or(bound),
            self.letting_go,
            self.pattern.as_ref().and_then(|pattern| pattern.due),
            inspection.and_then(Inspection::due),
            self.departure.map(|departure| departure.deadline),
        ];
        times.into_iter().flatten().min()
    }
}
