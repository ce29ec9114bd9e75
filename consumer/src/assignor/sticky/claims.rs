//! What members say they had, and in which generation.
use std::collections::BTreeMap;

use bytes::Bytes;
use courant_protocol::types::{PartitionId, TopicName, TopicPartition};
use courant_protocol::wire::{DecodeError, EncodeError, Reader, Writer};

use crate::assignor::java_order::sort_as_hash_map;
use crate::assignor::{LastAssignment, Subscription};

/// What a member says it had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::assignor) struct Claim {
    pub(in crate::assignor) partitions: Vec<TopicPartition>,
    /// The generation in which it had them; none where it cannot say.
    pub(in crate::assignor) generation: Option<i32>,
}

/// The generation of a member that never was in one.
const NO_GENERATION: i32 = -1;

/// What a member of `cooperative-sticky` had: what it owns while it joins. The generation stands in the subscription since
/// its version 2, and in the user data before.
pub(in crate::assignor) fn cooperative_claim(subscription: &Subscription) -> Claim {
    let from_user_data = |data: &Bytes| Reader::new(data.clone()).i32().unwrap_or(NO_GENERATION);
    Claim {
        partitions: subscription.owned.clone(),
        generation: subscription.generation.or_else(|| subscription.user_data.as_ref().map(from_user_data)),
    }
}

/// What a member of `sticky` had: it owns nothing while it joins, so the user data say.
pub(in crate::assignor) fn eager_claim(subscription: &Subscription) -> Claim {
    let Some(data) = subscription.user_data.as_ref().filter(|data| !data.is_empty()) else {
        return Claim::default();
    };
    // The first version ends before the generation; what is neither version is no claim.
    decode(data.clone()).unwrap_or(Claim { partitions: Vec::new(), generation: Some(NO_GENERATION) })
}

/// What a member of `sticky` says it had.
///
/// ```text
/// previous assignment  [topic, [int32]]   topics in Java's order
/// generation           int32              since Kafka 2.3
/// ```
pub(in crate::assignor) fn eager_user_data(last: &LastAssignment) -> Option<Bytes> {
    let mut by_topic: Vec<(&TopicName, Vec<i32>)> = Vec::new();
    let mut places = BTreeMap::new();
    for TopicPartition { topic, partition } in &last.assignment.partitions {
        let place = *places.entry(topic).or_insert(by_topic.len());
        match by_topic.get_mut(place) {
            Some((_, partitions)) => partitions.push(partition.0),
            None => by_topic.push((topic, vec![partition.0])),
        }
    }
    sort_as_hash_map(&mut by_topic, |(topic, _)| topic);
    let mut w = Writer::new();
    // What came in an assignment fits into user data: only a longer name could fail.
    w.array(&by_topic, false, 0, encode_topic).ok()?;
    w.i32(last.generation);
    Some(w.finish().into_bytes())
}

fn encode_topic(topic: &(&TopicName, Vec<i32>), w: &mut Writer, version: i16) -> Result<(), EncodeError> {
    w.string(topic.0, false)?;
    w.array(&topic.1, false, version, |partition, w, _| {
        w.i32(*partition);
        Ok(())
    })
}

fn decode(data: Bytes) -> Result<Claim, DecodeError> {
    let mut r = Reader::new(data);
    let topics = r.array(false, 6, 0, |r, version| {
        let topic = TopicName::from(&*r.string(false)?);
        Ok((topic, r.array(false, 4, version, |r, _| r.i32())?))
    })?;
    let of_topic = |(topic, partitions): (TopicName, Vec<i32>)| {
        partitions
            .into_iter()
            .map(move |partition| TopicPartition::new(topic.clone(), PartitionId(partition)))
    };
    Ok(Claim { partitions: topics.into_iter().flat_map(of_topic).collect(), generation: r.i32().ok() })
}
