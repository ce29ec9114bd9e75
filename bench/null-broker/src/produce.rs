//! Produce: counted and acknowledged.

use std::sync::atomic::Ordering::Relaxed;

use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use crate::broker::Broker;
use crate::store::BatchHead;

impl Broker {
    /// Acknowledges every batch.
    pub(crate) fn produce(&self, request: ProduceRequest) -> ProduceResponse {
        let stats = &self.stats;
        stats.produce_requests.fetch_add(1, Relaxed);
        let mut appended = false;
        let mut topics = Vec::with_capacity(request.topic_data.len());
        for topic in request.topic_data {
            let mut partitions = Vec::with_capacity(topic.partition_data.len());
            for partition in topic.partition_data {
                let mut base_offset = 0;
                if let Some(records) = partition.records
                    && let Some(head) = BatchHead::read(&records)
                {
                    stats.produce_batches.fetch_add(1, Relaxed);
                    stats.produce_records.fetch_add(head.records, Relaxed);
                    stats.produce_bytes.fetch_add(records.len() as u64, Relaxed);
                    if self.config.store {
                        base_offset = self.store.append(&topic.name, partition.index, &records, &head);
                        appended = true;
                    }
                }
                partitions.push(
                    PartitionProduceResponse::default()
                        .with_index(partition.index)
                        .with_base_offset(base_offset)
                        .with_log_append_time_ms(-1)
                        .with_log_start_offset(0),
                );
            }
            topics.push(
                TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partitions),
            );
        }
        if appended {
            self.store.wake();
        }
        ProduceResponse::default().with_responses(topics)
    }
}
