//! Any type of serde's as JSON text.
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecContext, CodecError, Encoded};

/// Any type of serde's as JSON text without blanks.
///
/// `None` is the text `null`, which deletes nothing; `Nullable(Json)` writes tombstones. Text that nests deeper than 128
/// levels is an error.
///
/// ```
/// use courant_client::codec::{Codec, CodecContext, Json};
///
/// #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// struct Order { id: u32, paid: bool }
///
/// let context = CodecContext::value("orders");
/// let order: Order = Json.decode(r#"{"id": 7, "paid": true}"#.into(), &context)?;
/// assert_eq!(order, Order { id: 7, paid: true });
///
/// let cut: Result<Order, _> = Json.decode(r#"{"id": 7, "pa"#.into(), &context);
/// assert_eq!(cut.unwrap_err().byte(), Some(13));
/// # Ok::<(), courant_client::codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn encode(&self, value: &T, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
        serde_json::to_writer(out.writer(), value)
            .map_err(|error| CodecError::value("Json", error.to_string()).caused_by(error))?;
        Ok(Encoded::Bytes)
    }

    fn decode(&self, bytes: Bytes, _: &CodecContext<'_>) -> Result<T, CodecError> {
        serde_json::from_slice(&bytes).map_err(|error| decode_error(&bytes, error))
    }

    fn name(&self) -> &'static str {
        "Json"
    }
}

fn decode_error(bytes: &[u8], error: serde_json::Error) -> CodecError {
    let at = byte_of(bytes, error.line(), error.column());
    let text = error.to_string();
    // The place is told as a byte; serde's own line and column would say it twice.
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let error = match error.classify() {
        serde_json::error::Category::Data => CodecError::value("Json", reason).caused_by(error),
        _ => CodecError::malformed("Json", reason).caused_by(error),
    };
    error.at_byte(at)
}

/// Where serde stood: its lines count from 1, its columns are bytes of the line that were read.
fn byte_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + column
}
