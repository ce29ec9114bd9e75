//! What every cluster must do, as functions over something that gives a [`Kafka`](courant::Kafka) handle.
//!
//! The same functions run on the in-process mock, on the mock over TCP and on Apache Kafka; where a real broker and
//! the mock differ, the mock is wrong. Each function names the rows of the clients' checklist that it covers (P =
//! producer, C = consumer, G = common, A = admin). Topics are made fresh by each function, so they can run side by side.
mod admin;
mod admin_configs;
mod admin_groups;
mod case;
mod client;
mod consumer;
mod consumer_groups;
mod groups_admin;
mod groups_members;
mod groups_offsets;
mod groups_static;
mod groups_timers;
mod groups_wire;
mod members;
mod producer;
mod seat;
mod streams;
mod subscriptions;
mod typed;
mod world;

pub use case::{CASE_LIMIT, Case, Run, case, cases, run};
pub use world::{PATIENCE, Subject};
