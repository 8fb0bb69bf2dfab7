//! The CUDA device of Rushlight, loaded at run time.
