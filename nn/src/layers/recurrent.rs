//! Recurrent layers over sequences.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use crate::functional::{RnnKind, RnnWeights, dropout, rnn_layer, rnn_layer_states};
use crate::summary::seen;
use crate::utils::rnn::{PackedSequence, flat, last_rows, packed_rows, padded, permuted, rows, turned};
use crate::{Field, Forward, Mode, Module, Parameter, Visitor, init};

/// The nonlinearity of [`RNN`] and [`RNNCell`](crate::RNNCell).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RnnNonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// ReLU.
    Relu,
}

impl RnnNonlinearity {
    pub(crate) fn kind(self) -> RnnKind {
        if self == RnnNonlinearity::Tanh { RnnKind::Tanh } else { RnnKind::Relu }
    }
}

/// What the layers of all kinds have in common.
#[derive(Clone, Debug)]
struct Settings {
    kind: RnnKind,
    input_size: usize,
    hidden_size: usize,
    num_layers: usize,
    bias: bool,
    batch_first: bool,
    dropout: f64,
    bidirectional: bool,
    proj_size: usize,
    dtype: Option<DType>,
    device: Device,
}

impl Settings {
    fn new(kind: RnnKind, input_size: usize, hidden_size: usize) -> Settings {
        Settings {
            kind,
            input_size,
            hidden_size,
            num_layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            proj_size: 0,
            dtype: None,
            device: Device::cpu(),
        }
    }

    fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The size of h.
    fn state_size(&self) -> usize {
        if self.proj_size > 0 { self.proj_size } else { self.hidden_size }
    }

    /// Draws the parameters: of each layer, for each direction, in PyTorch's order.
    fn build(self, name: &'static str) -> Result<Stack> {
        if self.input_size == 0 || self.hidden_size == 0 || self.num_layers == 0 {
            return Err(Error::value(name, "input_size, hidden_size and num_layers must not be 0"));
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(Error::value(name, format!("dropout must lie in 0 to 1, got {}", self.dropout)));
        }
        if self.proj_size >= self.hidden_size {
            return Err(Error::value(name, format!("proj_size {} must be below hidden_size {}", self.proj_size, self.hidden_size)));
        }
        let bound = 1.0 / (self.hidden_size as f64).sqrt();
        let draw = |shape: &[usize]| Parameter::new(Tensor::uniform(-bound, bound, shape, (self.dtype, self.device))?);
        let (rows, state) = (self.kind.gates().saturating_mul(self.hidden_size), self.state_size());
        let mut parameters = Vec::new();
        for layer in 0..self.num_layers {
            let input = if layer == 0 { self.input_size } else { state.saturating_mul(self.directions()) };
            for suffix in ["", "_reverse"].into_iter().take(self.directions()) {
                let mut add = |part: &str, shape: &[usize]| -> Result<()> {
                    parameters.push((format!("{part}_l{layer}{suffix}"), draw(shape)?));
                    Ok(())
                };
                add("weight_ih", &[rows, input])?;
                add("weight_hh", &[rows, state])?;
                if self.bias {
                    add("bias_ih", &[rows])?;
                    add("bias_hh", &[rows])?;
                }
                if self.proj_size > 0 {
                    add("weight_hr", &[self.proj_size, self.hidden_size])?;
                }
            }
        }
        Ok(Stack { parameters, mode: Mode::new(), settings: self })
    }
}

/// Layers of one kind.
#[derive(Debug)]
struct Stack {
    parameters: Vec<(String, Parameter)>,
    mode: Mode,
    settings: Settings,
}

impl Stack {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.mode(&self.mode);
        for (name, parameter) in &self.parameters {
            parameter.visit_field(name, visitor);
        }
    }

    fn arguments(&self) -> String {
        let s = &self.settings;
        let mut text = format!("{}, {}", s.input_size, s.hidden_size);
        let mut add = |changed: bool, part: String| {
            if changed {
                text += &part;
            }
        };
        add(s.proj_size > 0, format!(", proj_size={}", s.proj_size));
        add(s.num_layers != 1, format!(", num_layers={}", s.num_layers));
        add(!s.bias, ", bias=False".to_string());
        add(s.batch_first, ", batch_first=True".to_string());
        add(s.dropout != 0.0, format!(", dropout={}", s.dropout));
        add(s.bidirectional, ", bidirectional=True".to_string());
        text
    }

    fn weights(&self, number: usize) -> Result<RnnWeights> {
        let s = &self.settings;
        let each = 2 + 2 * usize::from(s.bias) + usize::from(s.proj_size > 0);
        let part = |i: usize| self.parameters[number * each + i].1.try_tensor();
        Ok(RnnWeights {
            weight_ih: part(0)?,
            weight_hh: part(1)?,
            bias_ih: s.bias.then(|| part(2)).transpose()?,
            bias_hh: s.bias.then(|| part(3)).transpose()?,
            weight_hr: (s.proj_size > 0).then(|| part(each - 1)).transpose()?,
        })
    }

    /// The first states, one of h and for an LSTM one of c: those given `[layers * directions, n, size]`, or zeros.
    fn states(&self, name: &'static str, x: &Tensor, n: usize, given: Option<&[Tensor]>, alone: bool) -> Result<Vec<Tensor>> {
        let s = &self.settings;
        let count = s.num_layers * s.directions();
        let sizes = if s.kind == RnnKind::Lstm { vec![s.state_size(), s.hidden_size] } else { vec![s.state_size()] };
        let one = |(i, size): (usize, usize)| {
            let Some(t) = given.map(|g| &g[i]) else {
                return Tensor::zeros([count, n, size], (x.dtype(), x.device()));
            };
            let t = if alone { t.unsqueeze(1)? } else { t.clone() };
            if t.shape() != [count, n, size] {
                let wanted = if alone { vec![count, size] } else { vec![count, n, size] };
                return Err(Error::shape(
                    name,
                    format!("wants a first state of shape {wanted:?}, got {:?}", given.map_or(&[][..], |g| g[i].shape())),
                ));
            }
            Ok(t)
        };
        sizes.into_iter().enumerate().map(one).collect()
    }

    /// Goes through the layers: `one` runs a direction of a layer over what `prepared` makes of its input. The outputs of the last layer, and the last states of all,
    /// each `[layers * directions, n, size]`.
    fn layers(
        &self,
        mut x: Tensor,
        first: &[Tensor],
        prepared: impl Fn(&Tensor) -> Result<Tensor>,
        one: impl Fn(&Tensor, &[Tensor], &RnnWeights, bool) -> Result<(Tensor, Vec<Tensor>)>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let s = &self.settings;
        let mut last: Vec<Vec<Tensor>> = vec![Vec::new(); first.len()];
        for layer in 0..s.num_layers {
            let steps = prepared(&x)?;
            let mut outputs = Vec::with_capacity(2);
            for direction in 0..s.directions() {
                let number = layer * s.directions() + direction;
                let states = first.iter().map(|t| t.select(0, number as isize)).collect::<Result<Vec<_>>>()?;
                let (y, states) = one(&steps, &states, &self.weights(number)?, direction == 1)?;
                outputs.push(y);
                last.iter_mut().zip(states).for_each(|(all, state)| all.push(state));
            }
            x = if outputs.len() == 1 { outputs.swap_remove(0) } else { Tensor::cat(&outputs, -1)? };
            if s.dropout > 0.0 && layer + 1 < s.num_layers {
                x = dropout(&x, s.dropout, self.mode.is_training())?;
            }
        }
        let states = last.iter().map(|all| Tensor::stack(all, 0)).collect::<Result<Vec<_>>>()?;
        Ok((x, states))
    }

    /// The outputs and the last states.
    fn run(&self, name: &'static str, x: &Tensor, given: Option<&[Tensor]>) -> Result<(Tensor, Vec<Tensor>)> {
        let s = &self.settings;
        let alone = x.dim() == 2;
        if !(alone || x.dim() == 3) || x.shape()[x.dim() - 1] != s.input_size {
            let order = if s.batch_first { "[n, l, " } else { "[l, n, " };
            return Err(Error::shape(
                name,
                format!("wants an input of shape {order}{}] or [l, {}], got {:?}", s.input_size, s.input_size, x.shape()),
            ));
        }
        let x = match (alone, s.batch_first) {
            (true, _) => x.unsqueeze(1)?,
            // Step by step, once for all that read it.
            (false, true) => x.transpose(0, 1)?.contiguous()?,
            (false, false) => x.clone(),
        };
        let first = self.states(name, &x, x.shape()[1], given, alone)?;
        let (mut x, mut states) =
            self.layers(x, &first, |x| Ok(x.clone()), |x, states, weights, reverse| rnn_layer(s.kind, x, states, weights, reverse))?;
        if alone {
            x = x.squeeze_dim(1)?;
            states = states.iter().map(|t| t.squeeze_dim(1)).collect::<Result<_>>()?;
        } else if s.batch_first {
            x = x.transpose(0, 1)?;
        }
        Ok((x, states))
    }

    /// As `run`, for sequences of different lengths. Each layer reads them padded: what it computes behind their ends is left out.
    fn run_packed(&self, name: &'static str, x: &PackedSequence, given: Option<&[Tensor]>) -> Result<(PackedSequence, Vec<Tensor>)> {
        let s = &self.settings;
        if x.data().dim() != 2 || x.data().shape()[1] != s.input_size {
            let (wanted, got) = (s.input_size, x.data().shape());
            return Err(Error::shape(name, format!("wants packed steps of {wanted} elements, got steps of shape {got:?}")));
        }
        let (n, lengths) = (x.batch(), x.sorted_lengths());
        let in_order =
            |states: Vec<Tensor>, order: Option<&[usize]>| states.iter().map(|t| permuted(t, 1, order)).collect::<Result<Vec<_>>>();
        let first = in_order(self.states(name, x.data(), n, given, false)?, x.sorted_indices())?;
        let (places, l): (Vec<usize>, usize) = ((0..n).collect(), x.batch_sizes().len());
        // Backwards is forwards over the sequences turned around.
        let turn = |x: &Tensor| rows(&flat(x)?, turned(&lengths, l));
        let one = |steps: &Tensor, states: &[Tensor], weights: &RnnWeights, reverse: bool| {
            let steps = if reverse { turn(steps)?.reshape(steps.shape())? } else { steps.clone() };
            let all = rnn_layer_states(s.kind, &steps, states, weights)?;
            let last = all.iter().map(|all| rows(&flat(all)?, last_rows(&lengths))).collect::<Result<Vec<_>>>()?;
            let y = if reverse { turn(&all[0])? } else { flat(&all[0])? };
            Ok((rows(&y, packed_rows(x.batch_sizes(), n))?, last))
        };
        let (y, states) = self.layers(x.data().clone(), &first, |data| padded(&x.with_data(data.clone()), &places, l, 0.0), one)?;
        Ok((x.with_data(y), in_order(states, x.unsorted_indices().as_deref())?))
    }
}

macro_rules! recurrent {
    ($(
        $(#[$doc:meta])*
        $module:ident, $builder:ident, $kind:expr => { $($extra:tt)* }
    )*) => {$(
        $(#[$doc])*
        ///
        /// Inputs are `[l, n, input_size]`, with `batch_first` `[n, l, input_size]`, or `[l, input_size]` without a batch; outputs have the last dimension `directions *
        /// hidden_size`; states are `[num_layers * directions, n, hidden_size]`, whatever `batch_first` says. Parameters are at first uniform in ±1/sqrt(hidden_size).
        /// [`Forward`] gives the outputs alone.
        #[derive(Debug)]
        pub struct $module(Stack);

        #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder(Settings);

        impl $builder {
            /// Layers, each on top of the one before. Default: 1.
            pub fn num_layers(mut self, num_layers: usize) -> Self {
                self.0.num_layers = num_layers;
                self
            }

            /// Whether there are biases. Default: true.
            pub fn bias(mut self, bias: bool) -> Self {
                self.0.bias = bias;
                self
            }

            /// Whether the batch is the first dimension of inputs and outputs. Default: false.
            pub fn batch_first(mut self, batch_first: bool) -> Self {
                self.0.batch_first = batch_first;
                self
            }

            /// The probability of dropout between layers, in training. Default: 0.
            pub fn dropout(mut self, dropout: f64) -> Self {
                self.0.dropout = dropout;
                self
            }

            /// Whether a second network goes backwards through the sequence. Default: false.
            pub fn bidirectional(mut self, bidirectional: bool) -> Self {
                self.0.bidirectional = bidirectional;
                self
            }

            /// The dtype of the parameters. Default: the default float type.
            pub fn dtype(mut self, dtype: DType) -> Self {
                self.0.dtype = Some(dtype);
                self
            }

            /// The device of the parameters. Default: the CPU.
            pub fn device(mut self, device: Device) -> Self {
                self.0.device = device;
                self
            }

            $($extra)*

            /// Draws the parameters: of each layer, for each direction, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr.
            ///
            /// # Errors
            /// If a size or the probability is out of range, or the dtype is not floating point.
            pub fn build(self) -> Result<$module> {
                self.0.build(stringify!($module)).map($module)
            }
        }

        impl $module {
            /// The module with PyTorch's defaults.
            ///
            /// # Errors
            /// If a size is 0.
            pub fn new(input_size: usize, hidden_size: usize) -> Result<$module> {
                Self::builder(input_size, hidden_size).build()
            }

            /// The arguments of the module, to which options can be added.
            pub fn builder(input_size: usize, hidden_size: usize) -> $builder {
                $builder(Settings::new($kind, input_size, hidden_size))
            }
        }

        impl Module for $module {
            fn visit(&self, visitor: &mut dyn Visitor) {
                self.0.visit(visitor);
            }

            fn type_name(&self) -> &'static str {
                stringify!($module)
            }

            fn extra_repr(&self) -> String {
                self.0.arguments()
            }
        }

        impl std::fmt::Display for $module {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.repr())
            }
        }

        impl Forward for $module {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                seen(self, || self.0.run(stringify!($module), x, None).map(|(y, _)| y))
            }
        }
    )*};
}

recurrent! {
    /// The Elman network: `h = tanh(W x + b + V h + c)`.
    RNN, RNNBuilder, RnnKind::Tanh => {
        /// The nonlinearity. Default: tanh.
        pub fn nonlinearity(mut self, nonlinearity: RnnNonlinearity) -> Self {
            self.0.kind = nonlinearity.kind();
            self
        }
    }

    /// Gated recurrent units (Cho et al., 2014), the rows of whose weights are reset, update and new.
    GRU, GRUBuilder, RnnKind::Gru => {}

    /// Long short-term memory (Hochreiter and Schmidhuber, 1997), the rows of whose weights are input, forget, cell and output.
    LSTM, LSTMBuilder, RnnKind::Lstm => {
        /// The size to which h is projected; 0: it is not. Default: 0.
        pub fn proj_size(mut self, proj_size: usize) -> Self {
            self.0.proj_size = proj_size;
            self
        }
    }
}

macro_rules! one_state {
    ($($module:ident)*) => {$(
        impl $module {
            /// The outputs and the last state, from a first state, by default zeros.
            ///
            /// # Errors
            /// If shapes or dtypes do not fit.
            pub fn forward_with(&self, x: &Tensor, h: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
                let given = h.map(std::slice::from_ref);
                seen(self, || {
                    let (y, mut states) = self.0.run(stringify!($module), x, given)?;
                    Ok((y, states.swap_remove(0)))
                })
            }

            /// As [`forward_with`](Self::forward_with), for a [`PackedSequence`]; states have the order of the batch.
            ///
            /// # Errors
            /// If shapes or dtypes do not fit.
            pub fn forward_packed(&self, x: &PackedSequence, h: Option<&Tensor>) -> Result<(PackedSequence, Tensor)> {
                let given = h.map(std::slice::from_ref);
                seen(self, || {
                    let (y, mut states) = self.0.run_packed(stringify!($module), x, given)?;
                    Ok((y, states.swap_remove(0)))
                })
            }
        }
    )*};
}
one_state!(RNN GRU);

impl LSTM {
    /// The outputs and the last states h and c, from first states, by default zeros.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward_with(&self, x: &Tensor, states: Option<(&Tensor, &Tensor)>) -> Result<(Tensor, (Tensor, Tensor))> {
        let given = states.map(|(h, c)| [h.clone(), c.clone()]);
        seen(self, || {
            let (y, mut states) = self.0.run("LSTM", x, given.as_ref().map(|g| &g[..]))?;
            let c = states.swap_remove(1);
            Ok((y, (states.swap_remove(0), c)))
        })
    }

    /// As [`forward_with`](Self::forward_with), for a [`PackedSequence`]; states have the order of the batch.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn forward_packed(&self, x: &PackedSequence, states: Option<(&Tensor, &Tensor)>) -> Result<(PackedSequence, (Tensor, Tensor))> {
        let given = states.map(|(h, c)| [h.clone(), c.clone()]);
        seen(self, || {
            let (y, mut states) = self.0.run_packed("LSTM", x, given.as_ref().map(|g| &g[..]))?;
            let c = states.swap_remove(1);
            Ok((y, (states.swap_remove(0), c)))
        })
    }
}

/// Parameters of a cell: uniform in ±1/sqrt(hidden_size).
pub(crate) fn cell_parameter(shape: &[usize], hidden: usize, options: (Option<DType>, Device)) -> Result<Parameter> {
    let p = Parameter::new(Tensor::zeros(shape.to_vec(), options)?)?;
    let bound = if hidden > 0 { 1.0 / (hidden as f64).sqrt() } else { 0.0 };
    init::uniform_(&p, -bound, bound)?;
    Ok(p)
}
