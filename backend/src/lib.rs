//! The contract of Rushlight: dtypes, layouts, the vocabulary of operations, shape rules, and the Backend trait.
