//! The APIs of the protocol: keys, versions, header versions, and what a message can do.
mod keys;
mod message;
mod version;

pub use self::keys::ApiKey;
pub use self::message::{Message, Request};
pub use self::version::VersionRange;
