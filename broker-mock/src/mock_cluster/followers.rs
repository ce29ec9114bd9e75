//! Followers that lag, as a test wants it.
use courant_protocol::types::{NodeId, Offset};

use super::{MockCluster, Unknown};
use crate::cluster::Partition;
use crate::log::ReplicaEnds;

/// Followers have what the leader has, at once, unless a test holds them back.
impl MockCluster {
    /// From now on a follower of a partition fetches nothing: its log and its high watermark stay where they are.
    ///
    /// As long as it is in sync the leader's high watermark stays there too, so that nobody reads further (though acks=all
    /// is answered at once, as if it had fetched); after [`MockCluster::set_in_sync`] has taken it out the others go on.
    /// Leadership that is moved to it cuts the log to what it has: an unclean election.
    ///
    /// ```
    /// use courant_broker_mock::MockCluster;
    /// use courant_protocol::types::{LeaderEpoch, NodeId, Offset};
    ///
    /// let cluster = MockCluster::builder().brokers(2).topic_with("orders", 1, Some(2), [("retention.ms", "-1")]).build()?;
    /// let follower = NodeId(2);
    /// cluster.hold_follower("orders", 0, follower)?;
    /// cluster.set_in_sync("orders", 0, follower, false)?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(0.into(), None, Some(b"lost"), courant_protocol::record::NO_HEADERS)?;
    /// # let batch = writer.seal(Default::default(), None, &mut Default::default())?.to_bytes(&Default::default());
    /// cluster.append_raw("orders", 0, batch)?;
    /// assert_eq!(cluster.high_watermark("orders", 0, NodeId(1)), Some(Offset(1)));
    /// assert_eq!(cluster.high_watermark("orders", 0, follower), Some(Offset(0)));
    ///
    /// cluster.move_leader("orders", 0, follower)?;
    /// assert_eq!((cluster.log_end("orders", 0), cluster.leader_epoch("orders", 0)), (Some(Offset(0)), Some(LeaderEpoch(1))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no such partition, or the broker is not a follower of it.
    pub fn hold_follower(&self, topic: &str, partition: i32, node: NodeId) -> Result<(), Unknown> {
        self.on_follower(topic, partition, node, |state| {
            state.set_ends(node, Some(state.ends(node)));
            Ok(())
        })
    }

    /// Lets a follower have exactly this much, and show this much of it, until it is told otherwise. Both offsets are
    /// lowered to where a batch ends. A follower that lacks what lies below the leader's high watermark is not in sync any
    /// more.
    ///
    /// ```
    /// use courant_broker_mock::MockCluster;
    /// use courant_protocol::types::{NodeId, Offset};
    ///
    /// // Readers of rack b are sent to broker 2 (KIP-392), which has the record but does not know yet that all have it.
    /// let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    /// let builder = MockCluster::builder().brokers(2).racks(["a", "b"]).config("replica.selector.class", selector);
    /// let cluster = builder.topic_with("orders", 1, Some(2), [("retention.ms", "-1")]).build()?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(0.into(), None, Some(b"record"), courant_protocol::record::NO_HEADERS)?;
    /// # let batch = writer.seal(Default::default(), None, &mut Default::default())?.to_bytes(&Default::default());
    /// cluster.append_raw("orders", 0, batch)?;
    /// cluster.set_follower("orders", 0, NodeId(2), Offset(1), Offset(0))?;
    /// assert_eq!(cluster.high_watermark("orders", 0, NodeId(1)), Some(Offset(1)));
    /// assert_eq!(cluster.high_watermark("orders", 0, NodeId(2)), Some(Offset(0)));
    /// cluster.release_follower("orders", 0, NodeId(2))?;
    /// assert_eq!(cluster.high_watermark("orders", 0, NodeId(2)), Some(Offset(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no such partition, the broker is not a follower of it, or the offsets are not in order: the leader's log
    /// start, high watermark, log end, the leader's log end.
    pub fn set_follower(
        &self,
        topic: &str,
        partition: i32,
        node: NodeId,
        log_end: Offset,
        high_watermark: Offset,
    ) -> Result<(), Unknown> {
        self.on_follower(topic, partition, node, |state| {
            let log = &state.log;
            let least = log.log_start().min(high_watermark);
            if least < log.log_start() || high_watermark > log_end || log_end > log.log_end() {
                return Err(Unknown(format!(
                    "a follower of {topic}-{partition}, {} to {}, cannot end at {log_end} and show {high_watermark}",
                    log.log_start(),
                    log.log_end()
                )));
            }
            let log_end = log.batch_boundary(log_end);
            let high_watermark = log.batch_boundary(high_watermark.min(log.high_watermark()));
            state.set_ends(node, Some(ReplicaEnds { log_end, high_watermark }));
            Ok(())
        })
    }

    /// Lets a follower catch up, and follow at once from now on. It is not put back in sync: see
    /// [`MockCluster::set_in_sync`].
    ///
    /// # Errors
    /// There is no such partition, or the broker is not a follower of it.
    pub fn release_follower(&self, topic: &str, partition: i32, node: NodeId) -> Result<(), Unknown> {
        self.on_follower(topic, partition, node, |state| {
            state.set_ends(node, None);
            Ok(())
        })
    }

    /// Where readers of a partition stop at one of its replicas.
    pub fn high_watermark(&self, topic: &str, partition: i32, node: NodeId) -> Option<Offset> {
        self.partition(topic, partition, |partition| {
            partition.replicas.contains(&node).then(|| partition.ends(node).high_watermark)
        })
        .flatten()
    }

    /// The brokers that hold a partition, the preferred leader first; none of an unknown one.
    pub fn replicas(&self, topic: &str, partition: i32) -> Vec<NodeId> {
        self.partition(topic, partition, |partition| partition.replicas.clone()).unwrap_or_default()
    }

    fn on_follower(
        &self,
        topic: &str,
        partition: i32,
        node: NodeId,
        change: impl FnOnce(&mut Partition) -> Result<(), Unknown>,
    ) -> Result<(), Unknown> {
        self.on_log(topic, partition, |state| {
            if state.leader == Some(node) || !state.replicas.contains(&node) {
                return Err(Unknown(format!("broker {node} does not follow {topic}-{partition}")));
            }
            change(state)
        })?
    }
}
