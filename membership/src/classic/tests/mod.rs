//! Stories of one member, with exact time.
