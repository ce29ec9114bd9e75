//! What typed producers and consumers must do.
use std::collections::BTreeMap;

use courant::client::codec::{Bool, Codec, F64Be, I32Be, I64Be, Json, Nullable, Raw, Utf8, UuidText, Void};
use courant::consumer::{Consumer, DecodeError, TypedConsumer};
use courant::producer::{TypedProducer, TypedRecord};
use courant::{Kafka, Offset, TopicName, client};
use futures_util::StreamExt;

use super::world::{PATIENCE, Subject, consumer_with, fill, producer, read_one, topic};

super::case::declare! {
    ($) typed_suite;
    typed_records_come_back_as_they_were_sent: "P26" "C27";
    numbers_are_written_as_java_writes_them: "P26" "C27";
    json_keeps_its_structure: "P26" "C27";
    a_typed_tombstone_is_null: "P8" "C27";
    records_without_keys_have_none: "P8" "C27";
    a_value_that_is_refused_is_not_sent: "P26";
    a_record_that_cannot_be_decoded_says_where_it_is: "C27";
    a_typed_stream_goes_on_behind_what_it_cannot_decode: "C27";
    typed_records_keep_headers_and_time: "P8" "P26";
}

async fn typed<K: 'static, V: 'static>(
    kafka: &Kafka,
    topic: &TopicName,
    key: impl Codec<K>,
    value: impl Codec<V>,
) -> (TypedProducer<K, V>, TypedConsumer<K, V>) {
    let sender = producer(kafka).await.typed(key.clone(), value.clone());
    let receiver: Consumer = consumer_with(kafka, topic, 1, &[]).await;
    (sender, receiver.typed(key, value))
}

/// The next `n` records, decoded.
async fn take<K: 'static, V: 'static>(
    consumer: &mut TypedConsumer<K, V>,
    n: usize,
) -> Vec<Result<(K, V), DecodeError>> {
    let mut taken = Vec::new();
    while taken.len() < n {
        let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("poll ends in time");
        let batch = polled.expect("poll succeeds").expect("the consumer is open");
        taken.extend(batch.iter().map(|record| record.map(|record| (record.key, record.value))));
    }
    taken
}

async fn typed_records_come_back_as_they_were_sent(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "typed", 1).await;
    let (sender, mut receiver) = typed(&kafka, &name, Utf8, I64Be).await;
    let sent: Vec<(String, i64)> = (0..50).map(|i| (format!("key {i}"), i * 1_000_003)).collect();
    for (key, value) in &sent {
        sender.send(&TypedRecord::to(&name).key(key.as_str()).value(*value)).await.expect("acknowledged");
    }
    let read: Result<Vec<_>, _> = take(&mut receiver, 50).await.into_iter().collect();
    assert_eq!(read.expect("decoded"), sent);
}

async fn numbers_are_written_as_java_writes_them(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "numbers", 1).await;
    let producer = producer(&kafka).await;
    let ints = producer.typed(I32Be, F64Be);
    ints.send(&TypedRecord::to(&name).partition(0).key(-2).value(-2.0)).await.expect("acknowledged");
    let others = producer.typed(Bool, UuidText);
    others
        .send(&TypedRecord::to(&name).partition(0).key(true).value(0x0123_u128))
        .await
        .expect("acknowledged");
    let raw = read_one(&kafka, &name, 2).await;
    assert_eq!(raw[0].key.as_deref(), Some(&[0xff, 0xff, 0xff, 0xfe][..]));
    assert_eq!(raw[0].value.as_deref(), Some(&[0xc0, 0, 0, 0, 0, 0, 0, 0][..]));
    assert_eq!(raw[1].key.as_deref(), Some(&[1][..]));
    assert_eq!(raw[1].text(), "00000000-0000-0000-0000-000000000123");
}

async fn json_keeps_its_structure(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "json", 1).await;
    let (sender, mut receiver) = typed(&kafka, &name, Utf8, Json).await;
    let order = BTreeMap::from([("ü".to_owned(), vec![Some(1.5), None]), (String::new(), vec![])]);
    sender.send(&TypedRecord::to(&name).key("k").value(order.clone())).await.expect("acknowledged");
    let read = take(&mut receiver, 1).await.remove(0).expect("decoded");
    assert_eq!(read, ("k".to_owned(), order));
}

async fn a_typed_tombstone_is_null(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "tombstone", 1).await;
    let (sender, mut receiver) = typed(&kafka, &name, Utf8, Nullable(Utf8)).await;
    sender.send(&TypedRecord::to(&name).key("k").value(None::<String>)).await.expect("acknowledged");
    sender.send(&TypedRecord::to(&name).key("k").value(Some(String::new()))).await.expect("acknowledged");
    let read: Vec<_> =
        take(&mut receiver, 2).await.into_iter().map(|record| record.expect("decoded").1).collect();
    assert_eq!(read, [None, Some(String::new())]);
    let raw = read_one(&kafka, &name, 2).await;
    assert_eq!((raw[0].value.as_deref(), raw[1].value.as_deref()), (None, Some(&b""[..])));
}

async fn records_without_keys_have_none(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "no-keys", 1).await;
    let (sender, mut receiver) = typed(&kafka, &name, Void, Raw).await;
    sender.send(&TypedRecord::to(&name).value("a")).await.expect("acknowledged");
    sender.send(&TypedRecord::to(&name).key(()).value("b")).await.expect("acknowledged");
    let read: Vec<_> =
        take(&mut receiver, 2).await.into_iter().map(|record| record.expect("decoded").1).collect();
    assert_eq!(read, ["a", "b"]);
    assert!(read_one(&kafka, &name, 2).await.iter().all(|got| got.key.is_none()));
}

async fn a_value_that_is_refused_is_not_sent(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "refused", 1).await;
    let (sender, _) = typed::<String, BTreeMap<String, f64>>(&kafka, &name, Utf8, Json).await;
    let odd = producer(&kafka).await.typed::<Vec<u8>, BTreeMap<(i32, i32), i32>>(Json, Json);
    // Keys of JSON's objects are text; a pair has none.
    let record = TypedRecord::to(&name).value(BTreeMap::from([((1, 2), 3)]));
    assert_eq!(odd.send(&record).await.expect_err("refused").kind(), client::ErrorKind::Codec);
    let at = sender.send(&TypedRecord::to(&name).value(BTreeMap::new())).await.expect("acknowledged");
    assert_eq!(at.offset, Offset(0), "nothing was sent before");
}

async fn a_record_that_cannot_be_decoded_says_where_it_is(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "undecodable", 1).await;
    fill(&kafka, &name, 0, ["1", "{", "3"].map(str::to_owned)).await;
    let receiver = consumer_with(&kafka, &name, 1, &[]).await;
    let mut receiver = receiver.typed::<Option<String>, i32>(Nullable(Utf8), Json);
    let read = take(&mut receiver, 3).await;
    assert_eq!((read[0].as_ref().expect("decoded").1, read[2].as_ref().expect("decoded").1), (1, 3));
    let error = read[1].as_ref().expect_err("no JSON");
    assert_eq!((error.topic(), error.partition().0, error.offset()), (&*name, 0, Offset(1)));
    assert_eq!(error.record().value(), Some(&b"{"[..]));
}

async fn a_typed_stream_goes_on_behind_what_it_cannot_decode(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "typed-stream", 1).await;
    fill(&kafka, &name, 0, ["1", "{", "3"].map(str::to_owned)).await;
    let receiver = consumer_with(&kafka, &name, 1, &[]).await;
    let mut receiver = receiver.typed::<Option<String>, i32>(Nullable(Utf8), Json);
    let mut stream = receiver.stream();
    let mut read = Vec::new();
    while read.len() < 3 {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").expect("open");
        read.push(next.map(|record| record.value).map_err(|error| error.offset()));
    }
    assert_eq!((read[0].as_ref().ok(), read[2].as_ref().ok()), (Some(&1), Some(&3)));
    assert_eq!(read[1].as_ref().err(), Some(&Some(Offset(1))));
}

async fn typed_records_keep_headers_and_time(subject: Subject) {
    let kafka = subject.kafka().await;
    let name = topic(&kafka, "typed-headers", 1).await;
    let sender = producer(&kafka).await.typed(Utf8, Utf8);
    let record =
        TypedRecord::to(&name).key("k").value("v").header("a", "1").null_header("a").timestamp(1_234);
    sender.send(&record).await.expect("acknowledged");
    let got = read_one(&kafka, &name, 1).await.remove(0);
    assert_eq!(got.timestamp, 1_234);
    assert_eq!(got.headers, [("a".to_owned(), Some("1".into())), ("a".to_owned(), None)]);
}
