//! Derivatives of Rushlight tensors: reverse and forward mode, nested, from one rule an operation.
