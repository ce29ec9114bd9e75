//! The topics that records wait for although no broker has described them yet.
//!
//! A record for such a topic stays with its caller, up to `max.block.ms`. What would grow here is the list of names: of a
//! program that makes topic names up from its input, say. So there is a limit to it.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use courant_client::{Error, ErrorKind};
use courant_protocol::types::TopicName;

/// The names that were asked for lately and are not known.
pub(crate) struct UnknownTopics {
    /// Until when each counts.
    names: BTreeMap<TopicName, Instant>,
    kept: Duration,
}

impl UnknownTopics {
    /// A name counts for `max_block`, as long as a record may wait for it, and for a minute at least.
    pub(crate) fn new(max_block: Duration) -> Self {
        Self { names: BTreeMap::new(), kept: max_block.max(UNKNOWN_KEPT) }
    }

    /// Takes up a name that records wait for, unless there are too many.
    pub(crate) fn admit(&mut self, name: &str, now: Instant) -> Result<(), Error> {
        let until = now + self.kept;
        if let Some(known) = self.names.get_mut(name) {
            *known = until;
            return Ok(());
        }
        if self.names.len() >= MAX_UNKNOWN_TOPICS {
            self.names.retain(|_, until| *until > now);
        }
        if self.names.len() >= MAX_UNKNOWN_TOPICS {
            let what =
                format!("records wait for {MAX_UNKNOWN_TOPICS} other topics already that do not exist");
            return Err(Error::new(ErrorKind::UnknownTopic, what)
                .at_topic(name)
                .hinting("check where the names come from, or create the topics first"));
        }
        self.names.insert(TopicName::from(name), until);
        Ok(())
    }

    /// A topic has turned up.
    pub(crate) fn handle_known(&mut self, name: &str) {
        self.names.remove(name);
    }
}

/// How many names are waited for at most.
const MAX_UNKNOWN_TOPICS: usize = 10_000;
/// How long a name counts at least after it was last asked for.
pub(crate) const UNKNOWN_KEPT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_limit_to_the_names_that_are_waited_for() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut unknown = UnknownTopics::new(second);
        for n in 0..MAX_UNKNOWN_TOPICS {
            unknown.admit(&format!("t{n}"), start).unwrap();
        }
        let error = unknown.admit("one more", start + second).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownTopic);
        assert!(error.to_string().contains("10000 other topics"), "{error}");
        unknown.admit("t0", start + second).unwrap();
        unknown.handle_known("t1");
        unknown.admit("one more", start + second).unwrap();
        unknown.admit("yet one more", start + UNKNOWN_KEPT).unwrap();
        assert_eq!(unknown.names.len(), 3, "those that nobody asked for again count no longer");
    }
}
