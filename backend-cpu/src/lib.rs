//! CPU kernels of Rushlight: SIMD chosen at run time, threads, a caching allocator.

pub mod simd;
pub mod threads;
