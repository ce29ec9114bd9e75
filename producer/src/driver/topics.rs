//! The topics that the producer writes to: kept in the client's metadata, known to the append room, forgotten once idle.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use courant_client::{Cluster, Error, ErrorKind, Metadata, MetadataWatch, Topic, TopicsLease};
use courant_protocol::types::TopicName;

use super::{Driver, TARGET};
use crate::append::Slot;
use crate::machine::{IdleTopics, Place};
use crate::unknown::UNKNOWN_KEPT;

/// What the driver keeps of each topic, and what it has made of the metadata.
pub(super) struct Topics {
    metadata: MetadataWatch,
    /// The snapshot of which everybody has been told.
    told: Arc<Metadata>,
    known: BTreeMap<TopicName, Known>,
    idle: IdleTopics,
    max_idle: Duration,
}

struct Known {
    lease: TopicsLease,
    /// The numbers of its slots that were heard of.
    slots: Vec<usize>,
    wanted_at: Instant,
}

/// A slot that was heard of.
pub(super) struct Met {
    pub(super) slot: Arc<Slot>,
    heard_at: Instant,
}

impl Topics {
    pub(super) fn new(cluster: &Cluster, max_idle: Duration, now: Instant) -> Self {
        Self {
            metadata: cluster.watch(),
            told: Arc::default(),
            known: BTreeMap::new(),
            idle: IdleTopics::new(max_idle, now),
            max_idle,
        }
    }

    /// When to look for topics that are idle.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.idle.next_wake()
    }
}

impl Driver {
    /// A slot has something new; for the first time, perhaps.
    pub(super) fn hear_of(&mut self, slot: &Arc<Slot>, now: Instant) {
        if let Some(met) = self.slots.get_mut(&slot.number) {
            met.heard_at = now;
            return;
        }
        self.slots.insert(slot.number, Met { slot: Arc::clone(slot), heard_at: now });
        let place = Place {
            number: slot.number,
            topic: slot.topic.name.clone(),
            topic_id: slot.topic.id,
            partition: slot.partition,
        };
        self.keep_topic(&slot.topic.name, now);
        if let Some(known) = self.topics.known.get_mut(&slot.topic.name) {
            known.slots.push(slot.number);
        }
        self.sender.handle_place(place.clone());
        let snapshot = self.kafka.cluster().snapshot();
        if let Some(topic) = snapshot.topic(&slot.topic.name) {
            self.tell_leader(topic, &snapshot, &place);
        }
    }

    /// Keeps a topic in the metadata that the client refreshes.
    pub(super) fn keep_topic(&mut self, name: &TopicName, now: Instant) {
        if let Some(known) = self.topics.known.get_mut(name) {
            known.wanted_at = now;
            return;
        }
        let cluster = self.kafka.cluster();
        let lease = cluster.want_topics(std::iter::once(&**name));
        // Somebody else may have asked for it before, and then no news of it will come.
        let snapshot = cluster.snapshot();
        if let Some(topic) = snapshot.topic(name) {
            self.know_topic(topic, &snapshot);
        }
        let kept = self.topics.max_idle.min(UNKNOWN_KEPT);
        self.topics.idle.keep(name.clone(), now + kept);
        self.topics.known.insert(name.clone(), Known { lease, slots: Vec::new(), wanted_at: now });
    }

    /// Tells room and sender what has changed; its cost is that of the change.
    pub(super) fn poll_metadata(&mut self, cx: &mut Context<'_>) -> bool {
        if self.topics.metadata.poll_changed(cx).is_pending() {
            return false;
        }
        let snapshot = self.kafka.cluster().snapshot();
        let told = std::mem::replace(&mut self.topics.told, Arc::clone(&snapshot));
        for topic in snapshot.topics_changed_since(&told) {
            let Some(known) = self.topics.known.get(&topic.name) else { continue };
            let slots = known.slots.clone();
            self.know_topic(topic, &snapshot);
            for number in slots {
                if let Some(place) = self.sender.place(number).cloned() {
                    self.tell_leader(topic, &snapshot, &place);
                }
            }
        }
        if !snapshot.brokers().eq(told.brokers()) {
            // A broker may stand in another rack now, for every topic of which it leads a partition.
            for topic in self.topics.known.keys().filter_map(|name| snapshot.topic(name)) {
                self.know_topic(topic, &snapshot);
            }
        }
        true
    }

    fn know_topic(&self, topic: &Topic, snapshot: &Metadata) {
        if topic.error.is_none() && !topic.partitions.is_empty() {
            self.room.learn(topic, snapshot);
            self.control.unknown().handle_known(&topic.name);
        }
    }

    /// Tells the sender who leads a partition, or that its topic is gone and another has its name.
    fn tell_leader(&mut self, topic: &Topic, snapshot: &Metadata, place: &Place) {
        if topic.id != place.topic_id && !topic.id.is_zero() && !place.topic_id.is_zero() {
            let what = "the topic was deleted, and another one created under its name";
            let error = Error::new(ErrorKind::TopicRecreated, what)
                .at_partition(place.topic.clone(), place.partition)
                .hinting("send the record again to write it to the new topic");
            self.know_topic(topic, snapshot);
            self.take_open(place.number);
            self.sender.give_up_partition(place.number, &error);
            self.slots.remove(&place.number);
            if let Some(known) = self.topics.known.get_mut(&place.topic) {
                known.slots.retain(|number| *number != place.number);
            }
            return;
        }
        if let Some(partition) = topic.partition(place.partition) {
            self.sender.handle_leader(place.number, partition.leader, partition.leader_epoch);
        }
    }

    /// Forgets the topics that nothing was written to for long (KIP-526): room, sender and metadata have room again.
    /// Where anything of a topic is still on its way, it stays.
    pub(super) fn forget_idle_topics(&mut self, now: Instant) {
        for name in self.topics.idle.poll_over(now) {
            let Some(known) = self.topics.known.get(&name) else { continue };
            let heard = known.slots.iter().filter_map(|number| self.slots.get(number));
            let used_at = heard.map(|met| met.heard_at).fold(known.wanted_at, Instant::max);
            let idle_at = used_at + self.topics.max_idle;
            let is_on_its_way = known.slots.iter().any(|number| self.sender.is_active(*number));
            if self.room.knows(&name) && idle_at > now {
                self.topics.idle.keep(name, idle_at);
            } else if !is_on_its_way && self.room.forget_topic(&name) {
                self.forget_topic(&name, now);
            } else {
                self.topics.idle.keep(name, now + self.topics.max_idle);
            }
        }
    }

    fn forget_topic(&mut self, name: &TopicName, now: Instant) {
        let Some(known) = self.topics.known.remove(name) else { return };
        for number in known.slots {
            self.slots.remove(&number);
            self.sender.forget_partition(now, number);
        }
        known.lease.forget();
        tracing::debug!(target: TARGET, topic = %name, "forgotten: nothing was written to it for metadata.max.idle.ms");
    }
}
