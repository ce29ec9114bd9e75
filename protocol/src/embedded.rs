//! What consumers of a group tell each other inside JoinGroup and SyncGroup: Kafka's embedded consumer protocol.
//!
//! The broker carries these bytes without a look at them; the members of a group, of whatever language, must agree on them.
//! Both forms begin with their version and know no tagged fields. Nothing is ever taken out of them or moved, so that a
//! version that we do not know is read as the newest that we do, and what follows is left alone (`ConsumerProtocol`).
use std::collections::BTreeSet;

use bytes::Bytes;

use crate::types::{PartitionId, TopicName, TopicPartition};
use crate::wire::{DecodeError, DecodeErrorKind, EncodeError, Reader, Str, Writer};

/// The protocol type under which consumers join a group.
pub const PROTOCOL_TYPE: &str = "consumer";

/// The newest version of [`Subscription`] and [`Assignment`], the one that Java's consumer writes.
pub const VERSION: i16 = 3;

/// What a consumer says when it joins: the topics that it wants and the partitions that it has.
///
/// ```text
/// version     int16               3
/// topics      [string]            sorted
/// user data   nullable bytes      the assignor's own
/// owned       [topic, [int32]]    sorted by topic and partition; version 1+ (KIP-429)
/// generation  int32               of `owned`, -1 for none; version 2+ (KIP-792)
/// rack        nullable string     version 3+ (KIP-881)
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The topics that the member wants.
    pub topics: BTreeSet<TopicName>,
    /// What the assignor of this member has to say to the assignor of the leader.
    pub user_data: Option<Bytes>,
    /// The partitions that the member holds on to while it joins.
    pub owned: Vec<TopicPartition>,
    /// The generation in which `owned` was assigned; none where the member, or its version, does not say.
    pub generation: Option<i32>,
    /// Where the member runs; never empty.
    pub rack: Option<String>,
}

impl Subscription {
    /// A subscription to `topics` that owns nothing.
    pub fn new<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self { topics: topics.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The bytes of `version`; what that version lacks is left out, as the members that read it expect.
    ///
    /// # Errors
    /// When `version` is not one of 0–3, or a name is longer than the protocol allows.
    pub fn encode(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut w = versioned("ConsumerProtocolSubscription", version)?;
        let topics: Vec<&TopicName> = self.topics.iter().collect();
        w.array(&topics, false, version, |topic, w, _| w.string(topic, false))?;
        w.nullable_bytes(self.user_data.as_ref(), false)?;
        if version >= 1 {
            let mut owned: Vec<&TopicPartition> = self.owned.iter().collect();
            owned.sort();
            w.array(&by_topic(owned), false, version, encode_topic)?;
        }
        if version >= 2 {
            w.i32(self.generation.unwrap_or(-1));
        }
        if version >= 3 {
            w.nullable_string(self.rack.as_ref().map(Str::from).as_ref(), false)?;
        }
        Ok(w.finish().into_bytes())
    }

    /// Reads any version; an empty rack is none, and so is a negative generation.
    ///
    /// # Errors
    /// When the bytes are not a subscription.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let (mut r, version) = version_of(bytes, "ConsumerProtocolSubscription")?;
        let topics = r.array(false, 2, version, |r, _| r.string(false))?;
        let mut subscription = Self::new(topics.iter().map(|topic| TopicName::from(&**topic)));
        subscription.user_data = r.nullable_bytes(false)?;
        if version >= 1 {
            subscription.owned = partitions(r.array(false, 6, version, decode_topic)?);
        }
        if version >= 2 {
            subscription.generation = Some(r.i32()?).filter(|generation| *generation >= 0);
        }
        if version >= 3 {
            let rack = r.nullable_string(false)?;
            subscription.rack = rack.filter(|rack| !rack.is_empty()).map(String::from);
        }
        Ok(subscription)
    }
}

/// What a member gets: its partitions, from the leader of its group.
///
/// ```text
/// version     int16               3
/// partitions  [topic, [int32]]    topics as they first come up
/// user data   nullable bytes      the assignor's own
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The member's partitions.
    pub partitions: Vec<TopicPartition>,
    /// What the assignor of the leader has to say to the assignor of this member.
    pub user_data: Option<Bytes>,
}

impl Assignment {
    /// An assignment of `partitions`, without user data.
    pub fn new<T: Into<TopicPartition>>(partitions: impl IntoIterator<Item = T>) -> Self {
        Self { partitions: partitions.into_iter().map(Into::into).collect(), user_data: None }
    }

    /// The bytes of `version`; the versions 0–3 differ in nothing but their number.
    ///
    /// # Errors
    /// When `version` is not one of 0–3, or a name is longer than the protocol allows.
    pub fn encode(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut w = versioned("ConsumerProtocolAssignment", version)?;
        w.array(&by_topic(&self.partitions), false, version, encode_topic)?;
        w.nullable_bytes(self.user_data.as_ref(), false)?;
        Ok(w.finish().into_bytes())
    }

    /// Reads any version. No bytes at all are an assignment of nothing: that is what a member gets whom the leader forgot.
    ///
    /// # Errors
    /// When the bytes are not an assignment.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let (mut r, version) = version_of(bytes, "ConsumerProtocolAssignment")?;
        let partitions = partitions(r.array(false, 6, version, decode_topic)?);
        Ok(Self { partitions, user_data: r.nullable_bytes(false)? })
    }
}

/// The partitions of one topic.
struct TopicPartitions {
    topic: TopicName,
    partitions: Vec<i32>,
}

fn versioned(message: &'static str, version: i16) -> Result<Writer, EncodeError> {
    let mut w = Writer::new();
    w.check_version(message, version, 0, VERSION)?;
    w.i16(version);
    Ok(w)
}

fn version_of(bytes: Bytes, message: &'static str) -> Result<(Reader, i16), DecodeError> {
    let mut r = Reader::new(bytes);
    match r.i16()? {
        version if version < 0 => Err(r.error(DecodeErrorKind::UnsupportedVersion { message, version })),
        version => Ok((r, version.min(VERSION))),
    }
}

/// Groups by topic; topics stand where their first partition stood.
fn by_topic<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Vec<TopicPartitions> {
    let mut places = std::collections::BTreeMap::new();
    let mut topics: Vec<TopicPartitions> = Vec::new();
    for TopicPartition { topic, partition } in partitions {
        let place = *places.entry(topic).or_insert(topics.len());
        match topics.get_mut(place) {
            Some(entry) => entry.partitions.push(partition.0),
            None => topics.push(TopicPartitions { topic: topic.clone(), partitions: vec![partition.0] }),
        }
    }
    topics
}

fn partitions(topics: Vec<TopicPartitions>) -> Vec<TopicPartition> {
    let of_topic = |TopicPartitions { topic, partitions }: TopicPartitions| {
        partitions
            .into_iter()
            .map(move |partition| TopicPartition::new(topic.clone(), PartitionId(partition)))
    };
    topics.into_iter().flat_map(of_topic).collect()
}

fn encode_topic(topic: &TopicPartitions, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
    w.string(&topic.topic, false)?;
    w.array(&topic.partitions, false, version, |partition, w, _| {
        w.i32(*partition);
        Ok(())
    })
}

fn decode_topic(r: &mut Reader, version: i16) -> Result<TopicPartitions, DecodeError> {
    let topic = TopicName::from(&*r.string(false)?);
    Ok(TopicPartitions { topic, partitions: r.array(false, 4, version, |r, _| r.i32())? })
}
