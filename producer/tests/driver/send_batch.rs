//! Many records in one future: each has its result, and what is dropped is either sent or given back.
use std::pin::pin;

use courant_client::ErrorKind;
use courant_producer::Record;

use crate::cancel::{drop_after, sweep};
use crate::stage::{SECOND, Stage, play, record, texts};

#[test]
fn each_record_has_its_place_in_the_log() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(300).start().await.unwrap();
        let spread =
            (0..100).map(|n| Record::to("t").partition(n % 3).value(n.to_string()).timestamp(i64::from(n)));
        let sent = producer.send_batch(spread).await.unwrap();
        for (n, at) in (0..).zip(&sent) {
            assert_eq!(
                (at.topic_partition.partition.0, at.offset.0, at.timestamp.0),
                ((n % 3) as i32, n / 3, n)
            );
        }
        assert_eq!(stage.values(2), texts((0..33).map(|n| 3 * n + 2)));
        assert!(producer.send_batch([]).await.unwrap().is_empty());
    });
}

#[test]
fn what_is_split_on_its_way_keeps_its_results() {
    play(|| async {
        let stage =
            Stage::with(|cluster| cluster.topic_with("t", 1, None, [("max.message.bytes", "200")])).await;
        let producer = stage.builder().linger(SECOND).start().await.unwrap();
        let mut records: Vec<_> = (0..40).map(record).collect();
        records[7] = record("x".repeat(300));
        let failed = producer.send_batch(records).await.unwrap_err();
        assert_eq!((failed.written, failed.failures.len(), failed.failures[0].0), (39, 1, 7));
        assert!(failed.to_string().starts_with("1 of 40 records were not delivered; record 7: "), "{failed}");
        assert_eq!(stage.values(0).len(), 39);
    });
}

#[test]
fn a_refused_record_does_not_stop_those_behind_it() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.producer().await;
        let failed = producer.send_batch([record(0), record(1).timestamp(-1), record(2)]).await.unwrap_err();
        let (nth, refused) = &failed.failures[0];
        assert_eq!((*nth, refused.record.as_deref()), (1, Some(&record(1).timestamp(-1))));
        assert_eq!(stage.values(0), texts([0, 2]));
        producer.close(SECOND).await.unwrap();
        let failed = producer.send_batch([record(3), record(4)]).await.unwrap_err();
        assert!(failed.failures.iter().all(|(_, failed)| failed.kind() == ErrorKind::Closed));
        assert_eq!(failed.written, 0);
    });
}

#[test]
fn a_dropped_batch_has_sent_what_it_counts_and_gives_back_the_rest() {
    sweep(|steps| async move {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(200).start().await.unwrap();
        let mut batch = producer.send_batch((0..10).map(record));
        let ended = drop_after(steps, pin!(&mut batch)).await.is_some();
        let accepted = batch.accepted();
        let rest = batch.into_rest();
        assert_eq!(rest, (accepted as u32..10).map(record).collect::<Vec<_>>());
        producer.send_batch(rest).await.unwrap();
        producer.close(SECOND).await.unwrap();
        assert_eq!(stage.values(0), texts(0..10), "dropped after {steps} steps");
        ended
    });
}
