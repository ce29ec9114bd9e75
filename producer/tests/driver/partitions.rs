//! Where records go.
use courant_client::ErrorKind;
use courant_producer::{Partitioner, Record};
use courant_protocol::types::PartitionId;

use crate::stage::{SECOND, Stage, play};

#[test]
fn an_empty_key_is_a_key_and_no_key_is_none() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 100)).await;
        let producer = stage.producer().await;
        // murmur2 of the empty key, modulo 100.
        for _ in 0..20 {
            let at = producer.send(Record::to("t").key("").value("empty")).await.unwrap();
            assert_eq!(at.topic_partition.partition, PartitionId(81));
        }
        let at = producer.send(Record::to("t").value("none")).await.unwrap();
        assert_ne!(at.topic_partition.partition, PartitionId(81), "drawn with this seed");
    });
}

#[test]
fn a_key_waits_for_its_partition_while_that_has_no_leader() {
    play(|| async {
        let stage = Stage::with(|cluster| {
            let one_copy: [(&str, &str); 0] = [];
            cluster.brokers(3).topic_with("t", 3, Some(1), one_copy)
        })
        .await;
        let producer = stage.producer().await;
        // The key `a-little-bit-long-string` belongs to partition 2 of 3, and would be in another one of 2.
        let keyed = || Record::to("t").key("a-little-bit-long-string").value("x");
        assert_eq!(producer.send(keyed()).await.unwrap().topic_partition.partition, PartitionId(2));
        let leader = stage.cluster.leader("t", 2).unwrap();
        stage.cluster.crash(leader).unwrap();
        let noticed = producer.enqueue(keyed()).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        let later = producer.enqueue(keyed()).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        assert!(noticed.now().is_none() && later.now().is_none(), "{:?} {:?}", noticed.now(), later.now());
        stage.cluster.restart(leader).unwrap();
        for delivery in [noticed, later] {
            assert_eq!(delivery.await.unwrap().topic_partition.partition, PartitionId(2));
        }
        assert_eq!(stage.values(2), ["x", "x", "x"]);
    });
}

#[test]
fn records_without_a_key_fill_one_batch_after_the_other() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(2000).start().await.unwrap();
        for _ in 0..300 {
            drop(producer.enqueue(Record::to("t").value("x".repeat(100))).await.unwrap());
        }
        producer.flush().await.unwrap();
        let counts: Vec<i32> =
            (0..3).flat_map(|partition| stage.stamps(partition)).map(|(.., count)| count).collect();
        assert_eq!(counts.iter().sum::<i32>(), 300);
        assert!((0..3).all(|partition| !stage.stamps(partition).is_empty()));
        assert!(counts.len() <= 19, "{counts:?}");
    });
}

#[test]
fn partitions_in_turn_and_of_ones_own() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().partitioner(Partitioner::round_robin()).start().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(
                producer.send(Record::to("t").key("k").value("")).await.unwrap().topic_partition.partition.0,
            );
        }
        assert_eq!(seen, [0, 1, 2, 0]);
        let last = Partitioner::custom(|topic, _, count| if topic == "t" { count - 1 } else { 0 });
        let producer = stage.builder().partitioner(last).start().await.unwrap();
        let at = producer.send(Record::to("t").value("")).await.unwrap();
        assert_eq!(at.topic_partition.partition, PartitionId(2));
    });
}

#[test]
fn a_partition_that_does_not_exist_is_waited_for() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().max_block(10 * SECOND).start().await.unwrap();
        let record = Record::to("t").partition(3).value("early");
        let error = producer.enqueue(record.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.record.as_ref(), Some(&record));
        assert!(error.to_string().contains("the topic has 3"), "{error}");
        let late = producer.enqueue(record);
        let grow = async {
            tokio::time::sleep(SECOND).await;
            stage.cluster.add_partitions("t", 2).unwrap();
        };
        let (delivery, ()) = tokio::join!(late, grow);
        assert_eq!(delivery.unwrap().await.unwrap().topic_partition.partition, PartitionId(3));
    });
}

#[test]
fn an_unknown_topic_is_waited_for_and_gives_the_record_back() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.config("auto.create.topics.enable", "false")).await;
        let producer = stage.builder().max_block(10 * SECOND).start().await.unwrap();
        let record = Record::to("t").value("early");
        let start = tokio::time::Instant::now();
        let error = producer.enqueue(record.clone()).await.unwrap_err();
        assert!((10 * SECOND..11 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::UnknownTopic, "{error}");
        assert_eq!(error.record.as_ref(), Some(&record));
        let late = producer.send(record);
        let create = async {
            tokio::time::sleep(SECOND).await;
            stage.cluster.create_topic("t", 1).unwrap();
        };
        assert!(tokio::join!(late, create).0.is_ok());
    });
}

#[test]
fn a_record_that_cannot_wait_is_given_back_until_its_topic_is_known() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let error = producer.try_enqueue(Record::to("t").value("a")).unwrap_err();
        assert!(error.is_retriable());
        tokio::time::sleep(SECOND).await;
        producer.try_enqueue(error.record.unwrap()).unwrap().await.unwrap();
    });
}
