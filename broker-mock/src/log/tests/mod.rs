//! Stories of whole logs.
