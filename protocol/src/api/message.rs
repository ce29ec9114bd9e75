//! What every message can do.
use super::{ApiKey, VersionRange};
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// A request or a response.
pub trait Message: Default {
    /// The versions that we speak. The codec may know later ones that Kafka calls unstable.
    const VERSIONS: VersionRange;

    /// Writes the message, without a header.
    ///
    /// # Errors
    /// The version is unknown, or it cannot carry a field that is set and matters.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;

    /// Reads the message; bytes after its end are left alone.
    ///
    /// # Errors
    /// The version is unknown, or the bytes are no such message.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;
}

/// A request, which knows its API and what answers it.
pub trait Request: Message {
    /// The API.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response: Message;
}
