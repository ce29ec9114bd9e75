//! The handle of a cluster: how clients reach it, what tests see of it, and what they do to it.
mod followers;
mod transactions;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use courant_protocol::record::BatchHeader;
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, TopicId};
use courant_protocol::wire::Str;
use courant_runtime::tcp::Listener;
use courant_runtime::{Transport, World};
use tokio::sync::watch;

use crate::builder::MockClusterBuilder;
use crate::cluster::{Cluster, LoggedRequest, Machine, Partition};
use crate::config::TopicConfig;
use crate::fault::Fault;
use crate::group::{MockGroup, Moment};
use crate::shell::hub::Hub;
use crate::shell::in_process::InProcessTransport;
use crate::shell::tcp::serve;

pub use transactions::{ProducerIdAndEpoch, TransactionResult};

/// There is no such broker, topic or partition, or it cannot do this now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(String);

/// A batch as it lies in a partition's log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogBatch {
    /// Its header.
    pub header: BatchHeader,
    /// All of its bytes.
    pub bytes: Bytes,
}

/// An in-memory Kafka cluster; clones share it.
///
/// Its listeners and their connections end with [`MockCluster::shutdown`], or with the last clone.
#[derive(Clone, Debug)]
pub struct MockCluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hub: Arc<Hub>,
    /// Whether all is to end; every listener and every connection holds a receiver as long as it lives.
    stop: watch::Sender<bool>,
}

impl MockCluster {
    /// A cluster of one broker, unless the builder is told otherwise.
    pub fn builder() -> MockClusterBuilder {
        MockClusterBuilder::new()
    }

    pub(crate) fn start(world: World, machine: Machine) -> Self {
        let hub = Arc::new(Hub::new(world, machine));
        Self { inner: Arc::new(Inner { hub, stop: watch::Sender::new(false) }) }
    }

    /// The brokers' addresses with commas between: in-process names, or TCP addresses after [`MockCluster::listen`].
    pub fn bootstrap(&self) -> String {
        self.see(|cluster| {
            let addresses = cluster.brokers.values().map(|broker| format!("{}:{}", broker.host, broker.port));
            addresses.collect::<Vec<_>>().join(",")
        })
    }

    /// The way to the brokers inside the process.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(InProcessTransport::new(&self.inner.hub))
    }

    /// The world of the cluster with the way to its brokers: what a client in the same process is given.
    pub fn world(&self) -> World {
        self.inner.hub.world.with_transport(self.transport())
    }

    /// Listens on 127.0.0.1: broker N on `port_base + N - 1`, or each on a free port if `port_base` is 0. From then on
    /// the brokers announce these addresses.
    ///
    /// # Errors
    /// What the operating system says: a port is taken, for one.
    ///
    /// # Cancel safety
    /// A dropped future listens on no port, and the brokers announce what they did before.
    pub async fn listen(&self, port_base: u16) -> io::Result<Vec<SocketAddr>> {
        let nodes = self.nodes();
        let mut bound = Vec::with_capacity(nodes.len());
        for (step, node) in (0_u16..).zip(nodes) {
            let port = if port_base == 0 { Some(0) } else { port_base.checked_add(step) };
            let port =
                port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "ports end at 65535"))?;
            let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
            bound.push((node, listener.local_addr()?, listener));
        }
        let addresses: Vec<SocketAddr> = bound.iter().map(|(_, address, _)| *address).collect();
        // All ports are open before anybody is told of one, so that "ready" means ready.
        self.act(|cluster| {
            for (node, address, _) in &bound {
                if let Some(broker) = cluster.brokers.get_mut(node) {
                    broker.host = Str::from(address.ip().to_string());
                    broker.port = address.port();
                }
            }
        });
        let world = &self.inner.hub.world;
        for (node, _, listener) in bound {
            let serving = serve(Arc::clone(&self.inner.hub), node, listener, self.inner.stop.subscribe());
            // It ends with the cluster, and `shutdown` waits for that by `stop`.
            drop(world.spawn("broker listener", serving));
        }
        Ok(addresses)
    }

    /// Ends the listeners and all TCP connections, and waits until they have ended.
    ///
    /// # Cancel safety
    /// Once polled, they end all the same; a later call waits for what is left.
    pub async fn shutdown(&self) {
        let _ = self.inner.stop.send(true);
        self.inner.stop.closed().await;
    }

    /// The ids of the brokers, those that are down included.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.see(|cluster| cluster.brokers.keys().copied().collect())
    }

    fn see<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        self.inner.hub.with(|machine, world| {
            let (now, unix_now) = (world.now(), world.unix_millis());
            machine.advance(now, unix_now);
            machine.settle_changes(now, unix_now);
            look(&machine.cluster)
        })
    }

    fn act<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        self.at(|cluster, _| change(cluster))
    }

    fn at<T>(&self, change: impl FnOnce(&mut Cluster, Moment) -> T) -> T {
        self.inner.hub.with(|machine, world| {
            let (now, unix_now) = (world.now(), world.unix_millis());
            machine.advance(now, unix_now);
            let done = change(&mut machine.cluster, Moment { now, unix: unix_now });
            machine.settle_changes(now, unix_now);
            done
        })
    }
}

/// What tests see.
impl MockCluster {
    /// The batches of a partition, the oldest first; none of an unknown one.
    pub fn log(&self, topic: &str, partition: i32) -> Vec<LogBatch> {
        let batches = self.partition(topic, partition, |partition| {
            let batches = partition.log.batches().iter();
            batches.map(|batch| LogBatch { header: batch.header, bytes: batch.to_bytes() }).collect()
        });
        batches.unwrap_or_default()
    }

    /// The first offset of a partition.
    pub fn log_start(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.partition(topic, partition, |partition| partition.log.log_start())
    }

    /// The offset that the next record of a partition gets.
    pub fn log_end(&self, topic: &str, partition: i32) -> Option<Offset> {
        self.partition(topic, partition, |partition| partition.log.log_end())
    }

    /// How many bytes a partition holds.
    pub fn log_bytes(&self, topic: &str, partition: i32) -> Option<usize> {
        self.partition(topic, partition, |partition| partition.log.size_bytes())
    }

    /// The leader of a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.partition(topic, partition, |partition| partition.leader).flatten()
    }

    /// The leader epoch of a partition.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<LeaderEpoch> {
        self.partition(topic, partition, |partition| partition.epoch)
    }

    /// The names of all topics.
    pub fn topics(&self) -> Vec<String> {
        self.see(|cluster| cluster.topics().map(|topic| topic.name.to_string()).collect())
    }

    /// The id of a topic.
    pub fn topic_id(&self, topic: &str) -> Option<TopicId> {
        self.see(|cluster| cluster.topic(topic).map(|topic| topic.id))
    }

    /// How many partitions a topic has.
    pub fn partition_count(&self, topic: &str) -> Option<usize> {
        self.see(|cluster| cluster.topic(topic).map(|topic| topic.partitions.len()))
    }

    /// A config of a topic as it is in force.
    pub fn topic_config(&self, topic: &str, name: &str) -> Option<String> {
        crate::config::topic_row(name)?;
        self.see(|cluster| cluster.topic(topic).map(|topic| topic.config.value(&cluster.config, name)))
    }

    /// What a group committed for a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Offset> {
        self.see(|cluster| {
            cluster.groups.committed(group, topic, partition).map(|committed| committed.offset)
        })
    }

    /// A group as it stands; `None` if there is none.
    pub fn group(&self, group: &str) -> Option<MockGroup> {
        self.see(|cluster| cluster.groups.view(group))
    }

    /// The names of all groups, those that only keep offsets included.
    pub fn groups(&self) -> Vec<String> {
        self.see(|cluster| cluster.groups.ids().map(ToString::to_string).collect())
    }

    /// The coordinator of a group.
    pub fn coordinator(&self, group: &str) -> Option<NodeId> {
        self.see(|cluster| cluster.coordinator(group).map(|broker| broker.id))
    }

    /// The requests that came, the oldest first, as far as the log reaches back.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.inner.hub.with(|machine, _| machine.log.to_vec())
    }

    /// Empties the log of requests.
    pub fn clear_request_log(&self) {
        self.inner.hub.with(|machine, _| machine.log.clear());
    }

    fn partition<T>(&self, topic: &str, partition: i32, look: impl FnOnce(&Partition) -> T) -> Option<T> {
        self.see(|cluster| cluster.partition(topic, partition).map(look))
    }
}

/// What tests do.
impl MockCluster {
    /// Sets a fault.
    pub fn inject(&self, fault: Fault) {
        self.inner.hub.with(|machine, _| machine.faults.push(fault));
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.inner.hub.with(|machine, _| machine.faults.clear());
    }

    /// How many faults have not run out.
    pub fn faults_left(&self) -> usize {
        self.inner.hub.with(|machine, _| machine.faults.len())
    }

    /// Appends batches of any format and content without a check, for what no client of ours writes: control records,
    /// compacted batches, LogAppendTime, magic 0 and 1. Gives the offset of the first.
    ///
    /// A batch of magic 2 that lies before the log's end, or names no leader epoch, is moved there and stamped; others
    /// stay byte for byte.
    ///
    /// # Errors
    /// The partition is unknown, the bytes hold no whole batch, or a message set lies before the log's end.
    pub fn append_raw(&self, topic: &str, partition: i32, batches: Bytes) -> Result<Offset, Unknown> {
        self.act(|cluster| {
            let id = cluster.topic(topic).map(|topic| topic.id);
            let state =
                cluster.partition_mut(topic, partition).ok_or_else(|| no_partition(topic, partition))?;
            let epoch = state.epoch;
            let first = state.log.append_raw(batches, epoch).map_err(Unknown)?;
            cluster.touched.extend(id.map(|id| (id, partition)));
            Ok(first)
        })
    }

    /// Creates a topic with `default.replication.factor` replicas.
    ///
    /// # Errors
    /// The topic exists.
    pub fn create_topic(&self, topic: &str, partitions: usize) -> Result<TopicId, Unknown> {
        self.act(|cluster| {
            if cluster.topic(topic).is_some() {
                return Err(Unknown(format!("topic {topic} exists")));
            }
            let factor = cluster.config.count("default.replication.factor").max(1);
            let replicas = cluster.place(partitions.max(1), factor);
            Ok(cluster.create_topic(topic, replicas, TopicConfig::default()))
        })
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn delete_topic(&self, topic: &str) -> Result<(), Unknown> {
        self.act(|cluster| cluster.delete_topic(topic))
            .map(drop)
            .ok_or_else(|| Unknown(format!("no topic {topic}")))
    }

    /// Lets a topic grow by so many partitions.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn add_partitions(&self, topic: &str, more: usize) -> Result<(), Unknown> {
        self.act(|cluster| {
            let known = cluster.topic(topic).ok_or_else(|| Unknown(format!("no topic {topic}")))?;
            let factor = known.partitions.first().map_or(1, |partition| partition.replicas.len());
            let replicas = cluster.place(more, factor);
            cluster.add_partitions(topic, replicas);
            Ok(())
        })
    }

    /// Hands the leadership of a partition over; its epoch grows. A broker without a replica gets the old leader's. One that
    /// lags ([`MockCluster::hold_follower`]) leads with what it has, and the rest of the log is lost.
    ///
    /// # Errors
    /// There is no such partition, or the broker is down or unknown.
    pub fn move_leader(&self, topic: &str, partition: i32, node: NodeId) -> Result<(), Unknown> {
        let moved = self.act(|cluster| cluster.move_leader(topic, partition, node));
        if moved {
            Ok(())
        } else {
            Err(Unknown(format!("{topic}-{partition} cannot be led by broker {node}")))
        }
    }

    /// A broker dies: its connections are cut, its partitions go to the next replica in sync or to nobody, and its
    /// groups to another coordinator. Its TCP port is closed until it comes back.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn crash(&self, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.inner.hub.with(|machine, world| {
            let (now, unix_now) = (world.now(), world.unix_millis());
            machine.advance(now, unix_now);
            machine.cluster.crash(node);
            machine.cut_connections(node);
            machine.settle_changes(now, unix_now);
        });
        self.inner.hub.tell_liveness();
        Ok(())
    }

    /// A broker comes back, in sync with the others.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn restart(&self, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.act(|cluster| cluster.restart(node));
        self.inner.hub.tell_liveness();
        Ok(())
    }

    /// Cuts all connections to a broker, which goes on.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn cut_connections(&self, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.inner.hub.with(|machine, _| machine.cut_connections(node));
        Ok(())
    }

    /// From now on the broker answers Metadata as things stand now, until [`MockCluster::fresh_metadata`].
    ///
    /// # Errors
    /// There is no such broker.
    pub fn stale_metadata(&self, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.act(|cluster| {
            let view = crate::handler::freeze(cluster);
            if let Some(broker) = cluster.brokers.get_mut(&node) {
                broker.frozen = Some(view);
            }
        });
        Ok(())
    }

    /// The broker hears of changes again.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn fresh_metadata(&self, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.act(|cluster| {
            if let Some(broker) = cluster.brokers.get_mut(&node) {
                broker.frozen = None;
            }
        });
        Ok(())
    }

    /// Drops the records before an offset; gives the new start.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn delete_records(&self, topic: &str, partition: i32, before: Offset) -> Result<Offset, Unknown> {
        self.on_log(topic, partition, |state| state.log.delete_before(before))
    }

    /// Drops the records from an offset on, at every replica, and elects the leader anew: what is left of an unclean election
    /// by which the leader stays the same. [`MockCluster::hold_follower`] makes one in which it moves.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn truncate(&self, topic: &str, partition: i32, end: Offset) -> Result<(), Unknown> {
        self.on_log(topic, partition, |state| {
            state.cut_to(end);
            state.elect(state.leader);
        })
    }

    /// Looks now, not when its time comes, for segments that retention lets go: `retention.ms` and `retention.bytes` of
    /// every topic that is cleaned by deletion.
    pub fn run_retention(&self) {
        self.at(|cluster, at| cluster.run_retention(at.unix));
    }

    /// Compacts every topic that is cleaned by compaction, now and up to its end, as if the segment that is written to
    /// were closed. `min.compaction.lag.ms` and `delete.retention.ms` hold.
    ///
    /// ```
    /// use courant_broker_mock::MockCluster;
    ///
    /// let cluster = MockCluster::builder().topic_with("table", 1, None, [("cleanup.policy", "compact")]).build()?;
    /// cluster.run_compaction();
    /// assert!(cluster.log("table", 0).is_empty());
    /// # Ok::<(), courant_broker_mock::BuildError>(())
    /// ```
    pub fn run_compaction(&self) {
        self.at(|cluster, at| cluster.run_compaction(at.unix));
    }

    /// Makes a partition forget all idempotent producers, as a broker does whose producer state expired.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn forget_producers(&self, topic: &str, partition: i32) -> Result<(), Unknown> {
        self.on_log(topic, partition, |state| state.log.forget_producers())
    }

    /// Takes a replica out of a partition's in-sync set, or puts it back. As in Kafka it is the leader that changes the set,
    /// and the set never becomes empty: nobody could lead the partition ever again.
    ///
    /// # Errors
    /// There is no such partition, the broker holds no replica of it, nobody leads it, the replica is the last one in sync, or
    /// it lacks what lies below the high watermark.
    pub fn set_in_sync(
        &self,
        topic: &str,
        partition: i32,
        node: NodeId,
        in_sync: bool,
    ) -> Result<(), Unknown> {
        self.on_log(topic, partition, |state| {
            if !state.replicas.contains(&node) {
                return Err(Unknown(format!("broker {node} holds no replica of {topic}-{partition}")));
            }
            if state.leader.is_none() {
                return Err(Unknown(format!("{topic}-{partition} has no leader")));
            }
            if !in_sync && state.isr == [node] {
                return Err(Unknown(format!(
                    "broker {node} is the last one in sync for {topic}-{partition}"
                )));
            }
            if in_sync && state.ends(node).log_end < state.log.high_watermark() {
                return Err(Unknown(format!(
                    "broker {node} lacks records below the high watermark of {topic}-{partition}"
                )));
            }
            state.isr.retain(|replica| *replica != node);
            if in_sync {
                state.isr.push(node);
            }
            state.settle_high_watermark();
            Ok(())
        })?
    }

    /// Ends the session of a member, named by its member id or instance id, as if its heartbeats had not come.
    ///
    /// # Errors
    /// There is no such member.
    pub fn expire_member(&self, group: &str, member: &str) -> Result<(), Unknown> {
        let expired = self.at(|cluster, at| cluster.groups.expire_member(at, group, member));
        if expired { Ok(()) } else { Err(Unknown(format!("group {group} has no member {member}"))) }
    }

    /// From now on heartbeats and commits of a member, named by its member id or instance id, are answered but do not
    /// keep its session alive: it is out when the session ends, unless [`MockCluster::resume_member`] comes first.
    ///
    /// # Errors
    /// There is no such member.
    pub fn pause_member(&self, group: &str, member: &str) -> Result<(), Unknown> {
        self.set_paused(group, member, true)
    }

    /// The member's signs of life count again.
    ///
    /// # Errors
    /// There is no such member.
    pub fn resume_member(&self, group: &str, member: &str) -> Result<(), Unknown> {
        self.set_paused(group, member, false)
    }

    fn set_paused(&self, group: &str, member: &str, is_paused: bool) -> Result<(), Unknown> {
        let known = self.act(|cluster| cluster.groups.pause_member(group, member, is_paused));
        if known { Ok(()) } else { Err(Unknown(format!("group {group} has no member {member}"))) }
    }

    /// Gives a group another coordinator. What was not written down is forgotten: a rebalance that is under way, and
    /// members that have joined since the last one; whoever waits is told NOT_COORDINATOR.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn move_coordinator(&self, group: &str, node: NodeId) -> Result<(), Unknown> {
        self.know(node)?;
        self.act(|cluster| cluster.move_coordinator(group, node));
        Ok(())
    }

    /// Lets the brokers speak an API no further than this version, as older ones do; below its least version they lack it.
    pub fn cap_version(&self, api: ApiKey, max: i16) {
        self.act(|cluster| cluster.cap_version(api, max));
    }

    fn know(&self, node: NodeId) -> Result<(), Unknown> {
        let known = self.see(|cluster| cluster.brokers.contains_key(&node));
        if known { Ok(()) } else { Err(Unknown(format!("no broker {node}"))) }
    }

    fn on_log<T>(
        &self,
        topic: &str,
        partition: i32,
        change: impl FnOnce(&mut Partition) -> T,
    ) -> Result<T, Unknown> {
        self.act(|cluster| {
            let id = cluster.topic(topic).map(|topic| topic.id);
            let state =
                cluster.partition_mut(topic, partition).ok_or_else(|| no_partition(topic, partition))?;
            let done = change(state);
            cluster.touched.extend(id.map(|id| (id, partition)));
            Ok(done)
        })
    }
}

fn no_partition(topic: &str, partition: i32) -> Unknown {
    Unknown(format!("no partition {topic}-{partition}"))
}
