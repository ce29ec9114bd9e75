//! The properties that only an admin client has, beside those of the connection.
use courant_client::config::{Importance, Kind, Row, Table, Unit};

/// The rows that Java's `AdminClientConfig` has beyond the common ones (Kafka 4.3), and the deadline of a call, which
/// may differ from that of the [`Kafka`](courant_client::Kafka) underneath.
pub const ADMIN: Table = Table::new(&[ROWS]);

const ROWS: &[Row] = &[
    Row::new("default.api.timeout.ms", Kind::Int, "60000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(533)
        .doc("How long a call may take, retries and waits included."),
    Row::new("retries", Kind::Int, "2147483647")
        .at_least(0)
        .doc("How often an item is tried again; default.api.timeout.ms is the better bound."),
    Row::new("bootstrap.controllers", Kind::List, "")
        .importance(Importance::High)
        .kip(919)
        .refused("only brokers are asked, which forward to the controllers")
        .doc("Controllers to ask first, instead of brokers."),
];
