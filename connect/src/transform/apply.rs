//! The trait of all transforms.
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
