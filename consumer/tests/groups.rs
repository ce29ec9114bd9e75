//! Members of groups on the mock cluster, in virtual time.
#![allow(clippy::unwrap_used)]
mod batches;
mod world;

use std::collections::BTreeSet;

use batches::Spec;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerBuilder, Event};
use courant_protocol::types::TopicPartition;
use world::{cluster, connect, ms, run};

/// A member of group `g` that reads topic `a` from its start.
fn member(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest")
}

fn a(partitions: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    partitions.into_iter().map(|partition| TopicPartition::new("a", partition)).collect()
}

/// Ten records in each of the three partitions of topic `a`.
fn written(cluster: &MockCluster) {
    for partition in 0..3 {
        cluster.append_raw("a", partition, Spec::at(0).records(10).bytes()).unwrap();
    }
}

async fn event(consumer: &mut Consumer) -> Event {
    consumer.next_event().await.unwrap().unwrap()
}

#[test]
fn a_lone_member_gets_everything_and_reads_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        written(&cluster);
        let kafka = connect(&cluster).await;
        let mut consumer = member(&kafka).start().await.unwrap();
        assert!(matches!(event(&mut consumer).await, Event::Assigned(got) if got == a(0..3)));
        let mut seen = BTreeSet::new();
        while seen.len() < 30 {
            let Event::Batch(batch) = event(&mut consumer).await else { panic!("records") };
            seen.extend(batch.iter().map(|record| (record.partition(), record.offset())));
        }
        let member = consumer.group_metadata().unwrap();
        assert_eq!(member.generation_id, 1);
        assert!(!member.member_id.is_empty());
        consumer.commit().await.unwrap();
        consumer.close(ms(5000)).await.unwrap();
        assert_eq!(cluster.committed("g", "a", 2), Some(10.into()));
    });
}
