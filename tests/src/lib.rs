//! What crosses crates: conformance with PyTorch's recorded behaviour, and whole jobs.
