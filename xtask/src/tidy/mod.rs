//! The house rules that the compiler does not know, checked as a test.
//!
//! | file | rules |
//! |---|---|
//! | `imports` | who may depend on whom, from `cargo metadata` |
//! | `purity` | machines name no runtime, clock, randomness or thread; only `runtime` spawns |
//! | `sizes` | functions ≤ 70 lines, files ≤ 800, inline test modules ≤ 150 |
//! | `headers` | every file opens with a module doc; `lib.rs` and `mod.rs` only declare |
//! | `fences` | at least 95 % of the doc examples run |
//! | `stubs` | no unfinished code, no ignored test, no `unsafe`, no banners, no bad names |
//! | `contracts` | public async functions say what a drop loses; `select!` is biased |
//! | `surface` | public signatures name no foreign type that we do not promise |
//! | `manifests` | a reason stands beside each dependency |
//! | `words` | no path of one machine in any file |
//!
//! Sizes are counted over lines, so that anybody can count them again without our tools.

mod contracts;
mod fences;
mod headers;
mod imports;
mod manifests;
mod purity;
mod report;
mod run;
mod sizes;
mod source;
mod stubs;
mod surface;
mod words;

pub(crate) use run::run;
