//! Subscriptions whose topics are chosen by their names, among all that the cluster has, again and again.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use courant_protocol::embedded::Assignment;
use courant_protocol::types::TopicName;

use super::group::Group;
use super::reading::Reading;
use crate::error::Error;

/// Which topics to subscribe to, by their names.
#[derive(Clone)]
pub(crate) struct TopicFilter(pub(crate) Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicFilter")
    }
}

/// A subscription whose topics are looked for among all that there are, again and again.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) filter: TopicFilter,
    /// When the cluster's topics are asked for; none while that is under way.
    pub(crate) due: Option<Instant>,
    pub(crate) failures: u32,
}

impl Reading {
    /// Subscribes to whatever topics pass the filter, now and later. The group is joined when the cluster's topics are known.
    pub(crate) fn subscribe_matching(&mut self, now: Instant, filter: TopicFilter) -> Result<(), Error> {
        let joined =
            self.group.as_ref().is_some_and(|group| group.is_subscribed() && group.departure.is_none());
        if !joined {
            self.subscribe(now, BTreeSet::new())?;
            // Nothing was sent yet: the join waits for the names.
            if let Some(group) = &mut self.group {
                group.classic.leave(false, "");
            }
        }
        if let Some(group) = &mut self.group {
            group.pattern = Some(Pattern { filter, due: Some(now), failures: 0 });
        }
        Ok(())
    }

    /// Whether the cluster's topics are to be asked for now.
    pub(crate) fn poll_listing(&mut self, now: Instant) -> bool {
        let pattern = self.group.as_mut().and_then(|group| group.pattern.as_mut());
        pattern.is_some_and(|pattern| pattern.due.take_if(|due| *due <= now).is_some())
    }

    /// Takes the names of the cluster's topics.
    pub(crate) fn handle_listing(
        &mut self,
        now: Instant,
        topics: Result<Vec<TopicName>, Error>,
        jitter: f64,
    ) {
        let Some(group) = &mut self.group else { return };
        let Some(pattern) = &mut group.pattern else { return };
        match topics {
            Ok(topics) => {
                pattern.failures = 0;
                pattern.due = Some(now + group.settings.listing_interval);
                let chosen = topics.into_iter().filter(|topic| (pattern.filter.0)(topic)).collect();
                let before = group.topics.replace(chosen);
                self.assignment_changed |= before != group.topics;
                group.classic.join(now);
                self.recheck();
            }
            Err(error) => {
                let wait = group.settings.classic.backoff.delay(pattern.failures, jitter);
                pattern.failures = pattern.failures.saturating_add(1);
                pattern.due = Some(now + wait);
                if !error.is_retriable() {
                    self.report = Some(error);
                }
            }
        }
    }
}

impl Group {
    /// A leader that saw more topics than this member, when it looked for those that match, is believed (as in Java). True
    /// where that changes what is subscribed to.
    pub(crate) fn adopt_matching(&mut self, assignment: &Assignment) -> bool {
        let Some(Pattern { filter, .. }) = &self.pattern else { return false };
        let topics = self.topics.get_or_insert_default();
        let more = assignment.partitions.iter().map(|partition| &partition.topic);
        let more: BTreeSet<_> =
            more.filter(|topic| !topics.contains(*topic) && (filter.0)(topic)).cloned().collect();
        self.joined_topics.extend(more.iter().cloned());
        topics.extend(more.iter().cloned());
        !more.is_empty()
    }
}
