//! Whole models, made of the modules of this crate.

mod gpt;

pub use gpt::{Gpt, GptBlock, GptBuilder};
