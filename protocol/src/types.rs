//! Kafka's small types: what topics, partitions, offsets, epochs and brokers are called in every crate.
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Declares numbers that must not be confused with each other.
macro_rules! newtypes {
    ($($(#[$doc:meta])* $name:ident($inner:ty) $(none $none:literal)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            $(
                /// What the wire says where there is none.
                pub const NONE: Self = Self($none);

                /// Whether this is a real value, not [`Self::NONE`].
                pub const fn is_some(self) -> bool {
                    self.0 != $none
                }
            )?
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl PartialEq<$inner> for $name {
            fn eq(&self, other: &$inner) -> bool {
                self.0 == *other
            }
        }
    )*};
}

newtypes! {
    /// A place in a partition's log: it only grows and is never reused.
    Offset(i64) none -1;
    /// The number of a partition inside its topic, from 0.
    PartitionId(i32) none -1;
    /// How often the leadership of a partition has changed (KIP-101, KIP-320).
    LeaderEpoch(i32) none -1;
    /// The id of a broker.
    NodeId(i32) none -1;
    /// The id that a broker gave to an idempotent producer (KIP-98).
    ProducerId(i64) none -1;
    /// The incarnation of a producer id (KIP-98, KIP-360).
    ProducerEpoch(i16) none -1;
    /// The number of a record for one producer id and partition; after `i32::MAX` comes 0.
    Sequence(i32) none -1;
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMillis(i64) none -1;
}

impl Sequence {
    /// The sequence `count` records later; it wraps from `i32::MAX` to 0 (Kafka's `DefaultRecordBatch.incrementSequence`).
    #[must_use]
    pub const fn plus(self, count: i32) -> Self {
        Self(self.0.wrapping_add(count) & i32::MAX)
    }
}

/// A topic's id (KIP-516); a topic that is deleted and created again gets another one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that means "none".
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is [`Self::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for TopicId {
    /// Kafka's way of writing it: URL-safe base64 without padding (`Uuid.toString`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        for digit in 0..22_u32 {
            let shift = 122_i32 - 6 * digit as i32;
            let six = if shift >= 0 { (bits >> shift) & 63 } else { (bits << -shift) & 63 };
            let letter = ALPHABET.get(six as usize).copied().unwrap_or(b'?');
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// A topic's name; cloning shares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl Deref for TopicName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<S: AsRef<str> + ?Sized> From<&S> for TopicName {
    fn from(name: &S) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

impl From<String> for TopicName {
    fn from(name: String) -> Self {
        Self(Arc::from(name))
    }
}

impl PartialEq<str> for TopicName {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for TopicName {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A partition of a topic; prints as `orders-2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<TopicName>, partition: impl Into<PartitionId>) -> Self {
        Self { topic: topic.into(), partition: partition.into() }
    }
}

impl<S: Into<TopicName>, P: Into<PartitionId>> From<(S, P)> for TopicPartition {
    fn from((topic, partition): (S, P)) -> Self {
        Self::new(topic, partition)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What a group commits for a partition: the offset of the next record to read, the leader epoch of the record before
/// it, and a text of the application's.
///
/// The epoch lets the next reader notice that the log was truncated in between (KIP-320). Take these values from a record
/// that was read, or from what is committed already, rather than from bare numbers, and it is never lost.
///
/// ```
/// use courant_protocol::types::OffsetAndMetadata;
///
/// let offset = OffsetAndMetadata::new(42).with_metadata("after the first page");
/// assert_eq!((offset.offset.0, offset.leader_epoch.is_some()), (42, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to read.
    pub offset: Offset,
    /// The leader epoch of the record before it; [`LeaderEpoch::NONE`] where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// A text that travels with the offset; brokers limit it to 4,096 bytes (`offset.metadata.max.bytes`).
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset without epoch and text.
    pub fn new(offset: impl Into<Offset>) -> Self {
        Self::after(offset.into(), LeaderEpoch::NONE)
    }

    /// An offset with the leader epoch of the record before it.
    pub fn after(offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        Self { offset, leader_epoch, metadata: String::new() }
    }

    /// The same with a text of the application's.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl From<Offset> for OffsetAndMetadata {
    fn from(offset: Offset) -> Self {
        Self::new(offset)
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self::new(offset)
    }
}

/// Which member of a group, in which generation, offsets are committed for; a transaction is handed one (KIP-447).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerGroupMetadata {
    /// The group.
    pub group_id: String,
    /// The generation (or member epoch) of the member; -1 where it is none.
    pub generation_id: i32,
    /// The member's id; empty where it is none.
    pub member_id: String,
    /// The name of a static member (KIP-345).
    pub group_instance_id: Option<String>,
}

impl ConsumerGroupMetadata {
    /// Somebody who commits for a group without being its member.
    pub fn no_member(group_id: impl Into<String>) -> Self {
        let group_id = group_id.into();
        Self { group_id, generation_id: -1, member_id: String::new(), group_instance_id: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_as_java_prints_it() {
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(
            TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).to_string(),
            "AAAAAAAAAAAAAAAAAAAAAQ"
        );
        assert_eq!(TopicId([255; 16]).to_string(), "_____________________w");
    }

    #[test]
    fn a_sequence_wraps_to_zero() {
        assert_eq!(Sequence(i32::MAX).plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(5), Sequence(3));
    }

    #[test]
    fn a_partition_prints_with_its_topic() {
        assert_eq!(TopicPartition::new("orders", 2).to_string(), "orders-2");
    }
}
