//! Neural-network modules with PyTorch's parameters, defaults and state dicts.
