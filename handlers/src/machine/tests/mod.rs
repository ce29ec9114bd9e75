//! What the schedule decides, hand-fed.
mod properties;
mod scheduling;
