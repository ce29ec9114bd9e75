//! What becomes of a record that a transform was given.

/// What a transform makes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow<R> {
    /// The record, changed or not, goes on.
    Keep(R),
    /// It goes no further. Its offset counts as done, as if it had been written.
    Drop,
    /// Several go on in its place, in this order. The offset of the one counts as done when all of them are.
    Many(Vec<R>),
}
