//! Stories of the machines: hand-fed answers, exact time, no runtime.
mod acks;
mod commits;
mod electing;
mod fetching;
mod placing;
mod returning;
mod world;

#[path = "../../../tests/batches/mod.rs"]
mod batches;
