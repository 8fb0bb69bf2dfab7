//! Recurrent cells: one step each.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use super::recurrent::{RnnNonlinearity, cell_parameter};
use crate::builder::builder;
use crate::functional::{RnnKind, RnnWeights, rnn_step};
use crate::summary::seen;
use crate::{Module, Parameter};

macro_rules! cells {
    ($(
        $(#[$doc:meta])*
        $module:ident $builder:ident $gates:literal { $($opt:tt)* }
    )*) => {$(
        $(#[$doc])*
        ///
        /// Parameters are at first uniform in ±1/sqrt(hidden_size).
        #[derive(Module, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            /// For the input.
            pub weight_ih: Parameter,
            /// For the state.
            pub weight_hh: Parameter,
            /// Added to the input's part.
            pub bias_ih: Option<Parameter>,
            /// Added to the state's part.
            pub bias_hh: Option<Parameter>,
            #[module(skip)]
            settings: $builder,
        }

        builder! {
            #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
            $builder for $module(input_size: usize, hidden_size: usize) {
                /// Whether there are biases. Default: true.
                bias: bool = true;
                $($opt)*
                /// The dtype of the parameters. Default: the default float type.
                dtype(DType; into): Option<DType> = None;
                /// The device of the parameters. Default: the CPU.
                device: Device = Device::cpu();
            }
        }

        impl $builder {
            /// Draws the parameters: weight_ih, weight_hh, bias_ih, bias_hh.
            ///
            /// # Errors
            /// If the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                let (hidden, options) = (self.hidden_size, (self.dtype, self.device));
                let rows = hidden.saturating_mul($gates);
                let draw = |shape: &[usize]| cell_parameter(shape, hidden, options);
                let (weight_ih, weight_hh) = (draw(&[rows, self.input_size])?, draw(&[rows, hidden])?);
                let (mut bias_ih, mut bias_hh) = (None, None);
                if self.bias {
                    bias_ih = Some(draw(&[rows])?);
                    bias_hh = Some(draw(&[rows])?);
                }
                Ok($module { weight_ih, weight_hh, bias_ih, bias_hh, settings: self })
            }
        }

        impl $module {
            fn arguments(&self) -> String {
                let bias = if self.settings.bias { "" } else { ", bias=False" };
                format!("{}, {}{bias}", self.settings.input_size, self.settings.hidden_size)
            }

            /// The new states, of inputs and states with or without a batch.
            fn run(&self, kind: RnnKind, x: &Tensor, states: [Option<&Tensor>; 2]) -> Result<Vec<Tensor>> {
                const NAME: &str = stringify!($module);
                let (input, hidden) = (self.settings.input_size, self.settings.hidden_size);
                if !matches!(x.dim(), 1 | 2) || x.shape()[x.dim() - 1] != input {
                    return Err(Error::shape(NAME, format!("wants an input of shape [n, {input}] or [{input}], got {:?}", x.shape())));
                }
                let mut wanted = x.shape().to_vec();
                wanted[x.dim() - 1] = hidden;
                let one = |given: Option<&Tensor>| match given {
                    None => Tensor::zeros(wanted.as_slice(), (x.dtype(), x.device())),
                    Some(t) if t.shape() == wanted => Ok(t.clone()),
                    Some(t) => Err(Error::shape(NAME, format!("wants a state of shape {wanted:?}, got {:?}", t.shape()))),
                };
                let count = 1 + usize::from(kind == RnnKind::Lstm);
                let states = states.into_iter().take(count).map(one).collect::<Result<Vec<_>>>()?;
                let weights = RnnWeights {
                    weight_ih: self.weight_ih.try_tensor()?,
                    weight_hh: self.weight_hh.try_tensor()?,
                    bias_ih: self.bias_ih.as_ref().map(Parameter::try_tensor).transpose()?,
                    bias_hh: self.bias_hh.as_ref().map(Parameter::try_tensor).transpose()?,
                    weight_hr: None,
                };
                rnn_step(kind, x, &states, &weights)
            }
        }
    )*};
}

cells! {
    /// A step of the Elman network: `h = tanh(W x + b + V h + c)`.
    RNNCell RNNCellBuilder 1 {
        /// The nonlinearity. Default: tanh.
        nonlinearity: RnnNonlinearity = RnnNonlinearity::Tanh;
    }

    /// A step of a gated recurrent unit.
    GRUCell GRUCellBuilder 3 {}

    /// A step of long short-term memory.
    LSTMCell LSTMCellBuilder 4 {}
}

impl RNNCell {
    /// The new state, from x`[n, input_size]` or `[input_size]` and a state, by default zeros.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x: &Tensor, h: Option<&Tensor>) -> Result<Tensor> {
        seen(self, || Ok(self.run(self.settings.nonlinearity.kind(), x, [h, None])?.swap_remove(0)))
    }
}

impl GRUCell {
    /// The new state, from x`[n, input_size]` or `[input_size]` and a state, by default zeros.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x: &Tensor, h: Option<&Tensor>) -> Result<Tensor> {
        seen(self, || Ok(self.run(RnnKind::Gru, x, [h, None])?.swap_remove(0)))
    }
}

impl LSTMCell {
    /// The new states h and c, from x`[n, input_size]` or `[input_size]` and states, by default zeros.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward(&self, x: &Tensor, states: Option<(&Tensor, &Tensor)>) -> Result<(Tensor, Tensor)> {
        seen(self, || {
            let mut new = self.run(RnnKind::Lstm, x, [states.map(|s| s.0), states.map(|s| s.1)])?;
            let c = new.swap_remove(1);
            Ok((new.swap_remove(0), c))
        })
    }
}
