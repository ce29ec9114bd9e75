//! Kafka Streams' generated names: a prefix and one counter for the whole topology.
//!
//! An explicit name still consumes its number, so that naming one operator leaves the names of all others as they are.

/// The counter of a topology.
#[derive(Debug, Default)]
pub(crate) struct Names {
    next: u32,
}

impl Names {
    /// A name with the next number: `KSTREAM-FILTER-0000000003`.
    pub(crate) fn processor(&mut self, prefix: &str) -> String {
        let number = self.next;
        self.next += 1;
        format!("{prefix}{number:010}")
    }

    /// A store's name with the next number: `KSTREAM-AGGREGATE-STATE-STORE-0000000003`.
    pub(crate) fn store(&mut self, prefix: &str) -> String {
        self.processor(&format!("{prefix}STATE-STORE-"))
    }
}

/// Whether a repartition topic is called after a generated name of a stream, so that its nodes get generated names as well
/// (`KStreamImpl.createRepartitionedSource`).
pub(crate) fn is_generated(name: &str) -> bool {
    let Some((head, number)) = name.rsplit_once('-') else { return false };
    head.starts_with("KSTREAM") && number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a name that a user gave (`Named.validate`, which takes what a topic's name takes).
pub(crate) fn problem(name: &str) -> Option<&'static str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("it is `.` or `..`"),
        _ if name.len() > LONGEST => Some("it is longer than 249 characters"),
        _ if !name.bytes().all(legal) => {
            Some("it has a character other than ASCII letters, digits, `.`, `_` and `-`")
        }
        _ => None,
    }
}

/// The longest name that a topic may have, less the two characters that Kafka's shell tools add.
const LONGEST: usize = 249;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_stores_share_one_counter() {
        let mut names = Names::default();
        assert_eq!(names.processor("KSTREAM-SOURCE-"), "KSTREAM-SOURCE-0000000000");
        assert_eq!(names.store("KSTREAM-AGGREGATE-"), "KSTREAM-AGGREGATE-STATE-STORE-0000000001");
        assert_eq!(names.processor("KSTREAM-SINK-"), "KSTREAM-SINK-0000000002");
    }

    #[test]
    fn only_numbered_names_of_streams_are_generated() {
        assert!(is_generated("KSTREAM-AGGREGATE-STATE-STORE-0000000003"));
        assert!(!is_generated("counts"));
        assert!(!is_generated("KSTREAM-X-000000003"));
        assert!(!is_generated("KTABLE-SOURCE-0000000003"));
    }

    #[test]
    fn a_name_may_hold_what_a_topics_name_may_hold() {
        assert_eq!(problem("by-word_2.0"), None);
        assert!(["", ".", "..", "a b", "ä"].iter().all(|name| problem(name).is_some()));
        assert!(problem(&"a".repeat(250)).is_some() && problem(&"a".repeat(249)).is_none());
    }
}
