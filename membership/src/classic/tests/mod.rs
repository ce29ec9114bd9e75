//! Stories of one member, with exact time.
mod heartbeats;
mod joining;
mod losing;
mod orders;
mod world;
