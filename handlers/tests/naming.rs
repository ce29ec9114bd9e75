//! What the log says of a handler that does not return. Alone in its process: whether an event is looked at is decided for
//! all threads at once, by the first one that comes by.
#![allow(clippy::unwrap_used, clippy::panic)]
mod world;

use std::io;
use std::sync::{Arc, Mutex};

use courant_handlers::Handlers;
use world::{cluster, connect, for_a_while, member, ms, run, write};

#[test]
fn a_handler_that_never_returns_is_named_with_topic_partition_and_offset() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let subscriber = Warnings(Arc::clone(&told));
    tracing::subscriber::with_default(subscriber, || {
        run(async {
            let cluster = cluster(|builder| builder);
            write(
                &cluster,
                2,
                &[(Some("x"), "bad"), (Some("y"), "good"), (Some("x"), "good"), (Some("x"), "good")],
            );
            let kafka = connect(&cluster).await;
            let mut runner = Handlers::new(member(&kafka))
                .slow_after(ms(60_000))
                .for_each_per_key(4, async |record| {
                    if record.value() == Some(b"bad") {
                        std::future::pending::<()>().await;
                    }
                    Ok::<(), io::Error>(())
                })
                .await
                .unwrap();
            assert!(for_a_while(&mut runner, ms(3_000_000)).await.is_none());
            assert_eq!(cluster.group("g").unwrap().members.len(), 1);
        });
    });
    let told = told.lock().unwrap();
    // After 1, 2, 4, 8, 16 and 32 minutes.
    assert_eq!(told.len(), 6, "{told:?}");
    let first = &told[0];
    assert!(first.contains("topic=a partition=2 offset=0 seconds=60"), "{first}");
}

/// Writes the warnings of the handlers down.
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "courant::handlers" && *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write as _;
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
