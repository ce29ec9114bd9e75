//! Windows over event time, and keys in windows.
//!
//! | file | idea |
//! |---|---|
//! | `time_windows` | which windows a time falls into, and how long they stay open |
//! | `windowed` | a key in a window |
//! | `codec` | the bytes of a key in a window |
mod codec;
mod time_windows;
mod windowed;

pub use self::codec::WindowCodec;
pub(crate) use self::time_windows::millis;
pub use self::time_windows::{TimeWindows, hopping, tumbling};
pub use self::windowed::{Window, Windowed};
