//! `cargo xtask ci`: everything that must hold before a change lands, in one run that shows all that is wrong.

mod packages;
mod readme;
mod run;

pub(crate) use run::{KAFKA_VERSION, RealKafka, run};
