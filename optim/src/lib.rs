//! Optimizers with PyTorch's update rules, as one fused pass over all parameters.
