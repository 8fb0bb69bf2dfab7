//! CPU kernels of Rushlight: SIMD chosen at run time, threads, a caching allocator.
