//! What the drivers of the benchmark share: the same parameters, the same payloads, the same measuring, one row of CSV.
//!
//! A driver is a small program around one client. It is given a broker ([`Parameters`]), warms up, measures itself from
//! the first record to the last acknowledgement ([`measured`]) and prints one row ([`Row`]). Nothing else runs in its
//! process, so that CPU time and peak memory are the client's, with the driver's own loop, which is the same for all.

mod latency;
mod measure;
mod pace;
mod parameters;
mod payload;
mod row;
mod runtime;

pub use latency::{Latencies, age_micros, stamped};
pub use measure::{Measured, Part, Snapshot, measured, measured_blocking};
pub use pace::{paced, paced_blocking};
pub use parameters::{Codec, Operation, Parameters, Partitioning};
pub use payload::{Pool, Ring, json_value};
pub use row::{COLUMNS, Row};
pub use runtime::{no_driver, run, runtime};
