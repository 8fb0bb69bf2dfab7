//! Layers whose input size is that of the first input.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use rushlight_tensor::{Error, IntoSizes, Result, Tensor};

use crate::{BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Forward, Linear, Module, Visitor};

type Maker<M> = Box<dyn Fn(usize) -> Result<M> + Send + Sync>;

/// A layer that is made when it is first called, for the size that its input then has: the channels, or of [`LazyLinear`] the last dimension. Until then it has no
/// parameters: run the model once before its parameters are given to an optimizer or its state is loaded.
///
/// ```
/// use rushlight_nn::{Flatten, Forward, Lazy, LazyConv2d, LazyLinear, Linear, Module, ReLU, sequential};
/// use rushlight_tensor::Tensor;
///
/// let head = Lazy::with(-1, |inputs| Linear::builder(inputs, 4).bias(false).build());
/// let net = sequential![LazyConv2d::new(6, 5), ReLU::new(), Flatten::new(), LazyLinear::new(10), head];
/// net.forward(&Tensor::zeros([1, 3, 8, 8], ())?)?;
/// let weights: Vec<_> = net.named_parameters().into_iter().map(|(name, p)| (name, p.shape())).collect();
/// assert_eq!(weights[0], ("0.weight".to_string(), vec![6, 3, 5, 5]));
/// assert_eq!(weights[2], ("3.weight".to_string(), vec![10, 96]));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub struct Lazy<M> {
    made: OnceLock<M>,
    maker: Mutex<Maker<M>>,
    /// The dimension of the input that counts; from the back if negative.
    dim: isize,
    /// How many dimensions an input without a batch has, where it may come so.
    unbatched: Option<usize>,
}

impl<M> Lazy<M> {
    /// A layer that `make` makes for the size of dimension `dim` of the first input.
    pub fn with(dim: isize, make: impl Fn(usize) -> Result<M> + Send + Sync + 'static) -> Lazy<M> {
        Lazy { made: OnceLock::new(), maker: Mutex::new(Box::new(make)), dim, unbatched: None }
    }

    /// The layer, if it has been called.
    pub fn get(&self) -> Option<&M> {
        self.made.get()
    }

    fn layer(&self, x: &Tensor) -> Result<&M> {
        if let Some(layer) = self.made.get() {
            return Ok(layer);
        }
        let maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = self.made.get() {
            return Ok(layer);
        }
        let rank = x.dim() as isize;
        let dim = if self.unbatched == Some(x.dim()) { 0 } else { self.dim };
        let at = usize::try_from(if dim < 0 { dim + rank } else { dim }).ok().filter(|d| *d < x.dim());
        let at = at.ok_or_else(|| Error::shape("Lazy", format!("wants an input with dimension {dim}, got {:?}", x.shape())))?;
        let layer = maker(x.shape()[at])?;
        Ok(self.made.get_or_init(|| layer))
    }
}

impl<M: Forward> Forward for Lazy<M> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layer(x)?.forward(x)
    }

    fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
        self.layer(&x)?.forward_owned(x)
    }
}

/// As the layer itself; before it is made it is empty.
impl<M: Module> Module for Lazy<M> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        if let Some(layer) = self.made.get() {
            layer.visit(visitor);
        }
    }

    fn type_name(&self) -> &'static str {
        self.made.get().map_or("Lazy", M::type_name)
    }

    fn extra_repr(&self) -> String {
        self.made.get().map_or(String::new(), M::extra_repr)
    }

    fn address(&self) -> usize {
        self.made.get().map_or(0, M::address)
    }
}

impl<M: fmt::Debug> fmt::Debug for Lazy<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lazy").field(&self.made.get()).finish()
    }
}

/// A [`Linear`] that takes its `in_features` from the first input.
pub type LazyLinear = Lazy<Linear>;

impl Lazy<Linear> {
    /// A linear layer with PyTorch's defaults.
    pub fn new(out_features: usize) -> LazyLinear {
        Lazy::with(-1, move |inputs| Linear::new(inputs, out_features))
    }
}

macro_rules! lazy {
    ($($rank:literal $conv:ident $lazy_conv:ident $norm:ident $lazy_norm:ident;)*) => {$(
        #[doc = concat!("A [`", stringify!($conv), "`] that takes its `in_channels` from the first input.")]
        pub type $lazy_conv = Lazy<$conv>;

        impl Lazy<$conv> {
            /// A convolution with PyTorch's defaults.
            pub fn new(out_channels: usize, kernel_size: impl IntoSizes) -> $lazy_conv {
                let kernel_size = kernel_size.into_sizes();
                let lazy = Lazy::with(1, move |inputs| $conv::new(inputs, out_channels, kernel_size.clone()));
                Lazy { unbatched: Some($rank + 1), ..lazy }
            }
        }

        #[doc = concat!("A [`", stringify!($norm), "`] that takes its `num_features` from the first input.")]
        pub type $lazy_norm = Lazy<$norm>;

        impl Lazy<$norm> {
            /// A normalisation with PyTorch's defaults.
            #[allow(clippy::new_without_default)] // It is a layer that waits, not an empty one.
            pub fn new() -> $lazy_norm {
                Lazy::with(1, $norm::new)
            }
        }
    )*};
}

lazy! {
    1 Conv1d LazyConv1d BatchNorm1d LazyBatchNorm1d;
    2 Conv2d LazyConv2d BatchNorm2d LazyBatchNorm2d;
    3 Conv3d LazyConv3d BatchNorm3d LazyBatchNorm3d;
}
