//! Interceptors: what they see and change, and that they hear of every outcome once.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courant_broker_mock::Fault;
use courant_producer::{Acknowledgement, Interceptor, Producer, Record};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;

use crate::stage::{SECOND, Stage, play, record, texts};

/// Writes down what it hears, adds its name to each record, and panics when it is told to.
#[derive(Clone, Default)]
struct Diary {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

impl Diary {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Interceptor for Diary {
    fn on_send(&self, record: &mut Record) {
        record.headers.push((self.name.into(), None));
        assert!(!self.panics, "on_send of {}", self.name);
    }

    fn on_acknowledgement(&self, told: &Acknowledgement<'_>) {
        assert!(!self.panics, "on_acknowledgement of {}", self.name);
        let names: Vec<_> = told.headers.iter().map(|(name, _)| name.as_ref()).collect();
        let outcome = match told.result {
            Ok(at) => at.to_string(),
            Err(error) => error.to_string(),
        };
        self.lines.lock().unwrap().push(format!("{} {}: {outcome}", told.topic, names.join("+")));
    }
}

async fn with(stage: &Stage, diaries: &[&Diary]) -> Producer {
    let builder = stage.builder().linger(Duration::ZERO);
    diaries
        .iter()
        .fold(builder, |builder, diary| builder.interceptor((*diary).clone()))
        .start()
        .await
        .unwrap()
}

#[test]
fn each_changes_what_the_one_before_made_and_hears_where_it_was_written() {
    play(|| async {
        let stage = Stage::new().await;
        let (first, second) =
            (Diary { name: "first", ..Diary::default() }, Diary { name: "second", ..Diary::default() });
        let producer = with(&stage, &[&first, &second]).await;
        for n in 0..3 {
            drop(producer.enqueue(record(n)).await.unwrap());
        }
        drop(producer.try_enqueue(record(3)).unwrap());
        producer.flush().await.unwrap();
        let expected: Vec<_> = (0..4).map(|n| format!("t first+second: t-0@{n}")).collect();
        assert_eq!(first.take(), expected);
        assert_eq!(second.take(), expected);
        assert_eq!(stage.values(0), texts(0..4));
    });
}

#[test]
fn every_failure_is_heard_once_and_the_record_comes_back_as_it_came() {
    play(|| async {
        let stage = Stage::new().await;
        let diary = Diary { name: "d", ..Diary::default() };
        let producer = with(&stage, &[&diary]).await;
        producer.send(record(0)).await.unwrap();
        assert_eq!(diary.take(), ["t d: t-0@0"]);

        let refused = producer.send(record(1).timestamp(-1)).await.unwrap_err();
        assert_eq!(refused.record.as_deref(), Some(&record(1).timestamp(-1)));
        assert_eq!(diary.take(), ["t d: the record's timestamp is negative (topic t)"]);
        let refused = producer.try_enqueue(record(1).timestamp(-1)).unwrap_err();
        assert_eq!(refused.record.as_deref(), Some(&record(1).timestamp(-1)));
        assert_eq!(diary.take().len(), 1);

        stage.cluster.inject(Fault::on(ApiKey::Produce).error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        producer.send(record(1)).await.unwrap_err();
        let told = diary.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("t d: the broker did not take the record"), "{told:?}");

        let unknown = Record::to("t").partition(9).value("x");
        assert!(tokio::time::timeout(SECOND, producer.enqueue(unknown)).await.is_err());
        assert_eq!(
            diary.take(),
            ["t d: the record was not accepted before its future was dropped (topic t)"]
        );

        producer.close(SECOND).await.unwrap();
        producer.send(record(2)).await.unwrap_err();
        assert_eq!(diary.take(), ["t d: the producer was closed (topic t)"]);
    });
}

#[test]
fn records_of_a_split_batch_are_heard_of_once_each() {
    play(|| async {
        let stage =
            Stage::with(|cluster| cluster.topic_with("t", 1, None, [("max.message.bytes", "200")])).await;
        let diary = Diary { name: "d", ..Diary::default() };
        let producer = stage.builder().linger(SECOND).interceptor(diary.clone()).start().await.unwrap();
        for n in 0..20 {
            drop(producer.enqueue(record(n)).await.unwrap());
        }
        producer.flush().await.unwrap();
        assert_eq!(diary.take(), (0..20).map(|n| format!("t d: t-0@{n}")).collect::<Vec<_>>());
    });
}

#[test]
fn one_that_panics_is_as_if_it_were_not_there() {
    play(|| async {
        let stage = Stage::new().await;
        let broken = Diary { name: "broken", panics: true, ..Diary::default() };
        let whole = Diary { name: "whole", ..Diary::default() };
        let producer = with(&stage, &[&broken, &whole]).await;
        std::panic::set_hook(Box::new(|_| {}));
        producer.send(record(0)).await.unwrap();
        drop(std::panic::take_hook());
        assert_eq!(whole.take(), ["t whole: t-0@0"]);
    });
}
