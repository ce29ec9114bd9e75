//! A driver for tests: the application as it runs in production, on an in-memory cluster, in virtual time.
//!
//! Nothing is imitated: the workers, the group, the brokers and the wire are the real ones; only time and links are
//! simulated, by a seed. So a test may have many partitions and instances, let one crash anywhere, or let an hour pass,
//! and takes milliseconds. What fails with a seed fails with it again.
mod builder;
mod driver;
mod error;
mod records;
mod topics;

pub use builder::TestDriverBuilder;
pub use driver::TestDriver;
pub use error::TestError;
pub use topics::{TestInput, TestOutput, TestRecord};
