//! Where records go.
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use courant_broker_mock::Fault;
use courant_client::config::Properties;
use courant_client::{ErrorKind, Kafka};
use courant_producer::{Codec, CustomPartitioner, Partitioner, Producer, Record, Unplaced};
use courant_protocol::api::ApiKey;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::PartitionId;

use crate::stage::{SECOND, Stage, play, record};

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
        assert_eq!(error.record.as_deref(), Some(&record));
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
        assert_eq!(error.record.as_deref(), Some(&record));
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
        producer.try_enqueue(*error.record.unwrap()).unwrap().await.unwrap();
    });
}

#[test]
fn a_partitioner_in_turn_passes_over_partitions_without_leader() {
    play(|| async {
        let stage = Stage::with(|cluster| {
            let one_copy: [(&str, &str); 0] = [];
            cluster.brokers(3).topic_with("t", 3, Some(1), one_copy)
        })
        .await;
        let producer = stage.builder().partitioner(Partitioner::round_robin()).start().await.unwrap();
        let seen = |times: usize| async move {
            let mut seen = Vec::new();
            for _ in 0..times {
                seen.push(
                    producer.send(Record::to("t").value("")).await.unwrap().topic_partition.partition.0,
                );
            }
            (seen, producer)
        };
        let (first, producer) = seen(3).await;
        assert_eq!(first, [0, 1, 2]);
        stage.cluster.crash(stage.cluster.leader("t", 1).unwrap()).unwrap();
        // The crash is noticed by whoever sends there.
        let noticed = producer.enqueue(record_at(1)).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        for _ in 0..4 {
            let at = producer.send(Record::to("t").key("k").value("")).await.unwrap();
            assert_ne!(at.topic_partition.partition, PartitionId(1));
        }
        assert!(noticed.now().is_none());
    });
}

fn record_at(partition: i32) -> Record {
    Record::to("t").partition(partition).value("x")
}

/// One partition until its batch is full, then the next, and what it was asked.
struct InOrder {
    current: AtomicI32,
    asked: Arc<Mutex<Vec<String>>>,
}

impl CustomPartitioner for InOrder {
    fn partition(&self, record: &Unplaced<'_>) -> Option<PartitionId> {
        let value = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
        let available = record.available().len();
        let asked = format!("{} of {}/{available}", value.len(), record.partition_count());
        self.asked.lock().unwrap().push(asked);
        Some(PartitionId(self.current.load(Ordering::Relaxed)))
    }

    fn on_new_batch(&self, record: &Unplaced<'_>, chosen: PartitionId) -> PartitionId {
        let next = PartitionId((chosen.0 + 1) % record.partition_count() as i32);
        self.current.store(next.0, Ordering::Relaxed);
        next
    }
}

#[test]
fn a_partitioner_of_ones_own_may_turn_to_another_partition_for_each_batch() {
    play(|| async {
        let stage = Stage::new().await;
        let (current, asked) = (AtomicI32::new(0), Arc::default());
        let partitioner = Partitioner::implemented_by(InOrder { current, asked: Arc::clone(&asked) });
        let builder = stage.builder().batch_size_bytes(1000).linger(SECOND);
        let producer = builder.partitioner(partitioner).start().await.unwrap();
        for _ in 0..24 {
            drop(producer.enqueue(Record::to("t").value("x".repeat(100))).await.unwrap());
        }
        producer.flush().await.unwrap();
        let batches = |partition| stage.stamps(partition).into_iter().map(|(.., n)| n).collect::<Vec<_>>();
        assert_eq!([batches(1), batches(2), batches(0)], [[8], [8], [8]]);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 24);
        assert!(asked.iter().all(|asked| asked == "100 of 3/3"), "{asked:?}");
    });
}

#[test]
fn a_partitioner_is_asked_again_with_what_is_known_once_the_topic_is() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.config("auto.create.topics.enable", "false")).await;
        let last = |record: &Unplaced<'_>| record.partition_count() as i32 - 1;
        let partitioner = Partitioner::implemented_by(Chosen(last));
        let producer = stage.builder().partitioner(partitioner).start().await.unwrap();
        let create = async {
            tokio::time::sleep(SECOND).await;
            stage.cluster.create_topic("t", 4).unwrap();
        };
        let (delivered, ()) = tokio::join!(producer.send(Record::to("t").value("early")), create);
        assert_eq!(delivered.unwrap().topic_partition.partition, PartitionId(3));
    });
}

struct Chosen(fn(&Unplaced<'_>) -> i32);

impl CustomPartitioner for Chosen {
    fn partition(&self, record: &Unplaced<'_>) -> Option<PartitionId> {
        Some(PartitionId((self.0)(record)))
    }
}

#[test]
fn a_partition_that_a_partitioner_made_up_is_an_error_that_gives_the_record_back() {
    play(|| async {
        let stage = Stage::new().await;
        for beyond in [|_: &Unplaced<'_>| 3, |_: &Unplaced<'_>| -1] {
            let partitioner = Partitioner::implemented_by(Chosen(beyond));
            let producer = stage.builder().partitioner(partitioner).start().await.unwrap();
            let record = Record::to("t").value("x");
            let error = producer.enqueue(record.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("the partitioner chose a partition"), "{error}");
            assert_eq!(error.record.as_deref(), Some(&record));
        }
    });
}

#[test]
fn keys_are_ignored_on_demand() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 100)).await;
        let producer = stage.builder().set("partitioner.ignore.keys", true).start().await.unwrap();
        let at = producer.send(Record::to("t").key("").value("")).await.unwrap();
        assert_ne!(at.topic_partition.partition, PartitionId(81), "that is where the hash would put it");
    });
}

#[test]
fn keyless_records_prefer_leaders_in_the_own_rack_as_long_as_there_are_any() {
    play(|| async {
        let stage = Stage::with(|cluster| {
            let one_copy: [(&str, &str); 0] = [];
            cluster.brokers(3).racks(["a", "b", "c"]).topic_with("t", 6, Some(1), one_copy)
        })
        .await;
        let near = (0..6).filter(|p| stage.cluster.leader("t", *p) == stage.cluster.leader("t", 1));
        let near: Vec<i32> = near.collect();
        assert_eq!(near.len(), 2, "each broker leads two");
        let rack = ["a", "b", "c"][usize::try_from(stage.cluster.leader("t", 1).unwrap().0 - 1).unwrap()];
        let builder = stage.builder().set("partitioner.rack.aware", true).set("client.rack", rack);
        // Each record is its own batch, so that each draws a partition.
        let producer = builder.batch_size_bytes(0).start().await.unwrap();
        let mut seen = [0; 6];
        for _ in 0..40 {
            let at = producer.send(Record::to("t").value("")).await.unwrap().topic_partition.partition;
            seen[at.0 as usize] += 1;
        }
        assert!(near.iter().all(|partition| seen[*partition as usize] > 5), "{seen:?}");
        assert_eq!(near.iter().map(|partition| seen[*partition as usize]).sum::<i32>(), 40, "{seen:?}");
        stage.cluster.crash(stage.cluster.leader("t", 1).unwrap()).unwrap();
        let noticed = producer.enqueue(record_at(1)).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
        let at = producer.send(Record::to("t").value("")).await.unwrap().topic_partition.partition;
        assert!(!near.contains(&at.0) && noticed.now().is_none(), "{at}");
    });
}

#[test]
fn a_broker_that_takes_nothing_gets_no_keyless_records_until_it_does() {
    play(|| async {
        let stage = Stage::with(|cluster| {
            let one_copy: [(&str, &str); 0] = [];
            cluster.brokers(2).topic_with("t", 2, Some(1), one_copy)
        })
        .await;
        let builder = stage.builder().batch_size_bytes(0).set("partitioner.availability.timeout.ms", 500);
        let producer = builder.set("max.in.flight.requests.per.connection", 1).start().await.unwrap();
        for partition in [0, 1] {
            producer.send(record_at(partition)).await.unwrap();
        }
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(10 * SECOND));
        let waiting = [producer.enqueue(record_at(0)).await, producer.enqueue(record_at(0)).await];
        tokio::time::sleep(SECOND).await;
        for _ in 0..20 {
            let at = producer.send(Record::to("t").value("")).await.unwrap().topic_partition.partition;
            assert_eq!(at, PartitionId(1));
        }
        for delivery in waiting {
            delivery.unwrap().await.unwrap();
        }
        let mut seen = [0; 2];
        for _ in 0..20 {
            let at = producer.send(Record::to("t").value("")).await.unwrap().topic_partition.partition;
            seen[at.0 as usize] += 1;
        }
        assert!(seen[0] > 3, "{seen:?}");
    });
}

#[test]
fn a_configuration_of_librdkafka_serves_the_connection_and_the_producer() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 17)).await;
        let text = format!(
            "metadata.broker.list={}\nsocket.timeout.ms=7000\nqueue.buffering.max.ms=250\npartitioner=consistent_random\n\
             compression.codec=gzip\ncompression.level=9\nmessage.send.max.retries=3\nrequest.required.acks=-1\n",
            stage.cluster.bootstrap()
        );
        let properties = Properties::parse(&text).unwrap();
        let kafka = Kafka::builder().properties(&properties).world(stage.cluster.world());
        let kafka = kafka.connect().await.unwrap();
        let producer = Producer::builder(&kafka).properties(&properties).start().await.unwrap();
        let start = tokio::time::Instant::now();
        let at = producer.send(Record::to("t").key("hejsan").value("x".repeat(100))).await.unwrap();
        assert!(start.elapsed() >= SECOND / 4, "it lingered {:?}", start.elapsed());
        // librdkafka's own test says so: the CRC-32 of `hejsan` is 0xd077037e.
        let crc = i32::try_from(0xd077_037e_u32 % 17).unwrap();
        assert_eq!(at.topic_partition.partition, PartitionId(crc));
        assert_eq!(stage.cluster.log("t", crc)[0].header.attributes.codec().unwrap(), Codec::Gzip);
    });
}

#[test]
fn a_topic_without_an_id_goes_by_its_name() {
    play(|| async {
        let stage = Stage::with(|cluster| cluster.topic("t", 1).topic("named", 1)).await;
        let producer = stage.builder().linger(SECOND / 10).start().await.unwrap();
        producer.send(record("by its id")).await.unwrap();
        // Metadata has ids since version 10.
        stage.cluster.cap_version(ApiKey::Metadata, 9);
        let kafka = Kafka::builder().bootstrap(stage.cluster.bootstrap()).world(stage.cluster.world());
        let old = Producer::builder(&kafka.connect().await.unwrap()).start().await.unwrap();
        old.send(record("by its name")).await.unwrap();
        old.send(Record::to("named").value("x")).await.unwrap();
        assert_eq!(stage.values(0), ["by its id", "by its name"]);
        let log = stage.cluster.request_log();
        let versions = log.iter().filter(|logged| matches!(&*logged.request, AnyRequest::Produce(_)));
        assert_eq!(versions.map(|logged| logged.version).collect::<Vec<_>>(), [13, 12, 12]);
    });
}
