//! Transforms: what is done to a record between a connector and the converters.
//!
//! ```text
//! source: connector ─► transform ─► transform ─► converters ─► Kafka
//! sink:   Kafka ─► converters ─► transform ─► transform ─► connector
//!                                   └─► Flow: keep it, drop it, or put several in its place
//! ```
//! A closure is a transform. Those that Kafka Connect brings along are here under their Java names, for configurations
//! written for Java: `transforms=mask` and `transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value`.
//!
//! ```
//! use courant_connect::transform::Transform;
//! use courant_connect::{ConnectRecord, Flow, Result};
//!
//! let mut to_archive = |mut record: ConnectRecord| -> Result<Flow<ConnectRecord>> {
//!     record.topic = format!("archive.{}", record.topic).into();
//!     Ok(Flow::Keep(record))
//! };
//! let Flow::Keep(record) = to_archive.apply(ConnectRecord::to("orders"))? else { panic!("dropped") };
//! assert_eq!(&*record.topic, "archive.orders");
//! # Ok::<(), courant_connect::Error>(())
//! ```
use crate::{ConnectRecord, Flow, Result};

/// What is done to each record, one after the other.
pub trait Transform: Send + 'static {
    /// Takes a record and says what goes on in its place.
    ///
    /// # Errors
    /// A [data](crate::ErrorKind::Data) error if it cannot be applied to this record.
    fn apply(&mut self, record: ConnectRecord) -> Result<Flow<ConnectRecord>>;
}

impl<F: FnMut(ConnectRecord) -> Result<Flow<ConnectRecord>> + Send + 'static> Transform for F {
    fn apply(&mut self, record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        self(record)
    }
}
