//! The locks and atomics of the append room: std's, or shuttle's when its model check compiles the same files.
pub(crate) use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
