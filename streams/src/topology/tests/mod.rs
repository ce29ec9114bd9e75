//! Whole topologies, driven record by record without a broker: against what Java made of the same records, and against
//! models of a few lines.
mod golden;
mod models;
mod problems;
mod single;

#[path = "../../../tests/golden_topologies/mod.rs"]
mod golden_topologies;
