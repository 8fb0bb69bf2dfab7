//! What crosses crates: conformance with PyTorch's recorded behaviour.
//!
//! A folder of recorded cases ([`golden`]) is run family by family ([`families`]). The operators are found by PyTorch's name in a table
//! ([`ops`]): one line or one closure an operator says how its recorded arguments ([`args`]) become a call of ours. Results are
//! compared as the format says ([`agree`]), counted and printed ([`report`]).
//!
//! `cargo xtask conformance` runs it; the test `tests/conformance.rs` holds the cases that have passed before.

pub mod agree;
pub mod args;
pub mod families;
pub mod golden;
pub mod modules;
pub mod ops;
pub mod optimizers;
pub mod outcome;
pub mod pack;
pub mod pinned;
pub mod registry;
pub mod report;
pub mod run;
pub mod sweep;
