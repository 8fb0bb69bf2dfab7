//! A deep-learning framework.
