//! The derive macro for Rushlight modules.
