//! Losses.

use rushlight_tensor::{CrossEntropy, Error, LossReduction, Result, Tensor};

use crate::{Buffer, Module};

/// A loss: how far a result is from its target.
pub trait Loss {
    /// The loss of a batch.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor>;
}

macro_rules! losses {
    ($(
        $(#[$doc:meta])*
        $module:ident, $builder:ident { $($(#[$optdoc:meta])* $opt:ident: $t:ty = $default:expr;)* }
        |$m:ident, $input:ident, $target:ident| $forward:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Module, Clone, Debug)]
        pub struct $module {
            /// A weight for each class.
            pub weight: Option<Buffer>,
            #[module(skip)]
            settings: $builder,
        }

        #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder {
            weight: Option<Tensor>,
            reduction: LossReduction,
            $($opt: $t,)*
        }

        impl Default for $builder {
            fn default() -> $builder {
                $builder { weight: None, reduction: LossReduction::Mean, $($opt: $default,)* }
            }
        }

        impl $builder {
            /// A weight for each class, a part of the state dict. Default: none.
            pub fn weight(mut self, weight: Tensor) -> $builder {
                self.weight = Some(weight);
                self
            }

            /// How the losses of a batch become one. Default: their mean.
            pub fn reduction(mut self, reduction: LossReduction) -> $builder {
                self.reduction = reduction;
                self
            }

            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: $t) -> $builder {
                    self.$opt = $opt;
                    self
                }
            )*

            /// The module.
            ///
            /// # Errors
            /// If the weight is not a vector.
            pub fn build(mut self) -> Result<$module> {
                let weight = self.weight.take();
                if let Some(w) = weight.as_ref().filter(|w| w.dim() != 1) {
                    return Err(Error::shape(stringify!($module), format!("the weight must be a vector, got {:?}", w.shape())));
                }
                Ok($module { weight: weight.map(Buffer::new), settings: self })
            }
        }

        impl Default for $module {
            fn default() -> $module {
                $module { weight: None, settings: $builder::default() }
            }
        }

        impl $module {
            /// The module with PyTorch's defaults.
            pub fn new() -> $module {
                $module::default()
            }

            /// The defaults, to be changed.
            pub fn builder() -> $builder {
                $builder::default()
            }
        }

        impl Loss for $module {
            fn forward(&self, $input: &Tensor, $target: &Tensor) -> Result<Tensor> {
                let $m = &self.settings;
                let weight = self.weight.as_ref().map(Buffer::tensor);
                $forward(weight.as_ref())
            }
        }
    )*};
}

losses! {
    /// The cross entropy of logits `[n, classes, ..]` and class numbers `[n, ..]` (int64), or probabilities in the shape of the logits.
    CrossEntropyLoss, CrossEntropyLossBuilder {
        /// A target that counts for nothing. Default: -100.
        ignore_index: i64 = -100;
        /// The share of the loss that is spread over all classes. Default: 0.
        label_smoothing: f64 = 0.0;
    }
    |m, input, target| |weight| {
        let options = CrossEntropy { reduction: m.reduction, ignore_index: m.ignore_index, label_smoothing: m.label_smoothing };
        input.cross_entropy_with(target, weight, options)
    };
    /// The negative log likelihood of class numbers `[n, ..]` (int64) under log-probabilities `[n, classes, ..]`.
    NLLLoss, NLLLossBuilder {
        /// A target that counts for nothing. Default: -100.
        ignore_index: i64 = -100;
    }
    |m, input, target| |weight| input.nll_loss(target, weight, m.ignore_index, m.reduction);
}

/// The squared differences from the target.
#[derive(Module, Clone, Copy, Debug)]
pub struct MSELoss {
    #[module(skip)]
    reduction: LossReduction,
}

impl Default for MSELoss {
    fn default() -> MSELoss {
        MSELoss { reduction: LossReduction::Mean }
    }
}

impl MSELoss {
    /// The module with PyTorch's default, the mean.
    pub fn new() -> MSELoss {
        MSELoss::default()
    }

    /// The defaults, to be changed.
    pub fn builder() -> MSELossBuilder {
        MSELossBuilder(MSELoss::default())
    }
}

/// The arguments of [`MSELoss`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct MSELossBuilder(MSELoss);

impl MSELossBuilder {
    /// How the losses of a batch become one. Default: their mean.
    pub fn reduction(mut self, reduction: LossReduction) -> MSELossBuilder {
        self.0.reduction = reduction;
        self
    }

    /// The module.
    ///
    /// # Errors
    /// None for this module; all builders return results.
    pub fn build(self) -> Result<MSELoss> {
        Ok(self.0)
    }
}

impl Loss for MSELoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        input.mse_loss(target, self.reduction)
    }
}
