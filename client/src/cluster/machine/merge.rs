//! A metadata response met with what was known: never backwards in a partition's leader epochs or a topic's life.
//!
//! Brokers learn of changes at different times, so an answer may be older than what the last one said. A partition's leader
//! epoch grows with every change of leader (KIP-320), and a topic that is created again gets another id (KIP-516): with the
//! two, older is told from newer.
use std::collections::BTreeMap;
use std::sync::Arc;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::MetadataResponse;
use courant_protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use courant_protocol::types::{LeaderEpoch, NodeId, PartitionId, TopicId, TopicName};
use courant_runtime::Address;

use super::metadata::MetadataEvent;
use crate::cluster::metadata::{Broker, Metadata, Partition, Topic};
use crate::error::{Error, ErrorKind};

/// The ids under which topics lived before; a broker that still answers with one of them is behind.
#[derive(Debug, Default)]
pub(super) struct Retired(BTreeMap<TopicName, Vec<TopicId>>);

impl Retired {
    fn contains(&self, name: &TopicName, id: TopicId) -> bool {
        self.0.get(name).is_some_and(|ids| ids.contains(&id))
    }

    fn insert(&mut self, name: &TopicName, id: TopicId) {
        let ids = self.0.entry(name.clone()).or_default();
        if ids.len() == MAX_RETIRED {
            ids.remove(0);
        }
        ids.push(id);
    }
}

/// The snapshot that follows from `old` and this response. It has no version yet.
pub(super) fn merge(
    old: &Metadata,
    response: &MetadataResponse,
    retired: &mut Retired,
    events: &mut Vec<MetadataEvent>,
) -> Result<Metadata, Error> {
    let cluster_id = response.cluster_id.as_deref();
    if let (Some(before), Some(now)) = (old.cluster_id(), cluster_id)
        && before != now
    {
        let what = format!("the broker belongs to cluster {now}, this client to cluster {before}");
        let hint =
            "an address of bootstrap.servers, or a broker's advertised address, leads to another cluster";
        return Err(Error::new(ErrorKind::Protocol, what).hinting(hint));
    }
    let mut next = Metadata {
        version: old.version,
        cluster_id: cluster_id.map(Arc::from).or_else(|| old.cluster_id.clone()),
        controller: Some(NodeId(response.controller_id)).filter(|id| id.is_some()),
        brokers: brokers(old, &response.brokers)?,
        topics: old.topics.clone(),
        names: BTreeMap::new(),
    };
    for answer in &response.topics {
        let Some(name) = answer.name.as_deref() else { continue };
        let name = TopicName::from(name);
        let topic = merge_topic(old.topics.get(&name), &name, answer, retired, events)?;
        next.topics.insert(name, topic);
    }
    next.index_names();
    Ok(next)
}

/// A newer leader, as a response to a produce or a fetch names it (KIP-951); none if what is known is as new.
pub(super) fn apply_hint(
    old: &Metadata,
    name: &str,
    partition: PartitionId,
    leader: NodeId,
    epoch: LeaderEpoch,
    address: Option<Address>,
) -> Option<Metadata> {
    let topic = old.topics.get(name)?;
    let index = usize::try_from(partition.0).ok()?;
    let known = topic.partitions.get(index)?;
    if epoch <= known.leader_epoch || !leader.is_some() {
        return None;
    }
    let mut next = old.clone();
    if let Some(address) = address {
        let rack = old.broker(leader).and_then(|broker| broker.rack.clone());
        next.brokers.insert(leader, Arc::new(Broker { id: leader, address, rack }));
    }
    // A leader that nobody can reach is no help.
    next.broker(leader)?;
    let mut topic = Topic::clone(topic);
    let partition = topic.partitions.get_mut(index)?;
    *partition = Partition { leader: Some(leader), leader_epoch: epoch, error: None, ..partition.clone() };
    next.topics.insert(topic.name.clone(), Arc::new(topic));
    Some(next)
}

impl Metadata {
    pub(super) fn index_names(&mut self) {
        let named = self.topics.values().filter(|topic| !topic.id.is_zero());
        self.names = named.map(|topic| (topic.id, topic.name.clone())).collect();
    }
}

fn brokers(
    old: &Metadata,
    answer: &[MetadataResponseBroker],
) -> Result<BTreeMap<NodeId, Arc<Broker>>, Error> {
    let broker = |answer: &MetadataResponseBroker| {
        let port = u16::try_from(answer.port).map_err(|_| {
            let what = format!("broker {} has port {}, which cannot be", answer.node_id, answer.port);
            Error::new(ErrorKind::Protocol, what)
        })?;
        let id = NodeId(answer.node_id);
        let rack = answer.rack.as_deref().map(str::to_owned);
        let broker = Broker { id, address: Address::new(&*answer.host, port), rack };
        let same = old.brokers.get(&id).filter(|known| ***known == broker);
        Ok((id, same.cloned().unwrap_or_else(|| Arc::new(broker))))
    };
    answer.iter().map(broker).collect()
}

fn merge_topic(
    old: Option<&Arc<Topic>>,
    name: &TopicName,
    answer: &MetadataResponseTopic,
    retired: &mut Retired,
    events: &mut Vec<MetadataEvent>,
) -> Result<Arc<Topic>, Error> {
    let error = Some(ErrorCode(answer.error_code)).filter(|code| code.is_err());
    if error.is_some() {
        return Ok(with_error(old, name, error));
    }
    let Some(old) = old.filter(|old| !old.partitions.is_empty()) else {
        return fresh(name, answer, None).map(Arc::new);
    };
    let changed = !old.id.is_zero() && !answer.topic_id.is_zero() && old.id != answer.topic_id;
    if changed && retired.contains(name, answer.topic_id) {
        // The broker has not heard yet that the topic was created again.
        return Ok(Arc::clone(old));
    }
    if changed {
        retired.insert(name, old.id);
        events.push(MetadataEvent::TopicRecreated { name: name.clone(), old: old.id, new: answer.topic_id });
        return fresh(name, answer, Some(old.id)).map(Arc::new);
    }
    let mut topic = fresh(name, answer, old.former_id)?;
    if topic.id.is_zero() {
        topic.id = old.id;
    }
    for (new, known) in topic.partitions.iter_mut().zip(&old.partitions) {
        if new.leader_epoch.is_some() && new.leader_epoch < known.leader_epoch {
            *new = known.clone();
        }
    }
    // Partitions are only ever added: a broker that lists fewer has not heard of the others yet.
    let known = old.partitions.get(topic.partitions.len()..).unwrap_or_default();
    topic.partitions.extend_from_slice(known);
    if topic.partitions.len() > old.partitions.len() {
        let (from, to) = (old.partition_count(), topic.partition_count());
        events.push(MetadataEvent::PartitionsAdded { name: name.clone(), from, to });
    }
    Ok(if topic == **old { Arc::clone(old) } else { Arc::new(topic) })
}

/// An error about a topic may pass; what was known about its partitions stays until something better is.
fn with_error(old: Option<&Arc<Topic>>, name: &TopicName, error: Option<ErrorCode>) -> Arc<Topic> {
    let topic = match old {
        Some(old) if old.error == error => return Arc::clone(old),
        Some(old) => Topic { error, ..Topic::clone(old) },
        None => Topic {
            name: name.clone(),
            id: TopicId::ZERO,
            former_id: None,
            internal: false,
            partitions: Vec::new(),
            error,
        },
    };
    Arc::new(topic)
}

fn fresh(
    name: &TopicName,
    answer: &MetadataResponseTopic,
    former_id: Option<TopicId>,
) -> Result<Topic, Error> {
    let mut partitions: Vec<Partition> = answer.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.id);
    let dense = partitions.iter().zip(0..).all(|(partition, index)| partition.id == PartitionId(index));
    if !dense {
        let what = "the broker's list of partitions has a gap or lists one twice";
        return Err(Error::new(ErrorKind::Protocol, what).at_topic(name.clone()));
    }
    let internal = answer.is_internal;
    Ok(Topic { name: name.clone(), id: answer.topic_id, former_id, internal, partitions, error: None })
}

fn partition(answer: &MetadataResponsePartition) -> Partition {
    let nodes = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
    Partition {
        id: PartitionId(answer.partition_index),
        leader: Some(NodeId(answer.leader_id)).filter(|leader| leader.is_some()),
        leader_epoch: LeaderEpoch(answer.leader_epoch),
        replicas: nodes(&answer.replica_nodes),
        isr: nodes(&answer.isr_nodes),
        error: Some(ErrorCode(answer.error_code)).filter(|code| code.is_err()),
    }
}

/// Former ids remembered per topic.
const MAX_RETIRED: usize = 8;
