//! What the broker is to be.

use kafka_protocol::records::Compression;

/// The broker's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 for any.
    pub port: u16,
    /// Partitions of every topic.
    pub partitions: i32,
    /// Bytes of a value in the batch that answers fetches.
    pub value_size: usize,
    /// Bytes of a key in it; 0 for none.
    pub key_size: usize,
    /// Records in it.
    pub batch_records: usize,
    /// Its codec.
    pub compression: Compression,
    /// How many bytes of records a fetch gets for a partition at most.
    pub fetch_bytes: usize,
    /// Whether records are kept and fetches wait for them.
    pub store: bool,
}
