//! Recurrent layers: one direction over a whole sequence as one operation forward and one backward.

use super::{MetaRef, Metas, same_dtype, want_float};
use crate::{Error, Meta, Result};

/// What a recurrent layer computes in a step from the gates `V x + W h + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnKind {
    /// `tanh(V x + W h + b)`.
    Tanh,
    /// `relu(V x + W h + b)`.
    Relu,
    /// The gated recurrent unit (Cho et al., 2014): gates reset, update, new.
    Gru,
    /// Long short-term memory (Hochreiter and Schmidhuber, 1997): gates input, forget, cell, output.
    Lstm,
}

impl RnnKind {
    /// The number of gates.
    pub fn gates(self) -> usize {
        match self {
            RnnKind::Tanh | RnnKind::Relu => 1,
            RnnKind::Gru => 3,
            RnnKind::Lstm => 4,
        }
    }

    /// The number of states: h, and of an LSTM c.
    pub fn states(self) -> usize {
        1 + usize::from(self == RnnKind::Lstm)
    }

    /// What the backward pass reads of each step, in multiples of the hidden size: the gates, and of a GRU also the state's part of the new one.
    pub fn reserve(self) -> usize {
        match self {
            RnnKind::Tanh | RnnKind::Relu => 0,
            RnnKind::Gru | RnnKind::Lstm => 4,
        }
    }
}

/// One direction of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RnnLayer {
    /// What a step computes.
    pub kind: RnnKind,
    /// Whether the sequence is gone through backwards.
    pub reverse: bool,
    /// Whether there are biases, of the input's part and of the state's.
    pub bias: bool,
    /// Whether h is projected (LSTM alone).
    pub projection: bool,
}

/// A recurrent layer over a sequence, or the gradient of one. All tensors have one floating-point dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rnn {
    /// Inputs: x `[l, n, input]`, h `[n, state]`, of an LSTM c `[n, hidden]`, the weights `[gates * hidden, input]` and `[gates * hidden, state]`, perhaps
    /// their biases `[gates * hidden]`, perhaps a projection `[state, hidden]`. Without one the state's size is the hidden one. Results: all h `[l, n, state]`;
    /// of an LSTM all c `[l, n, hidden]`; of GRU and LSTM what backward reads, `[l, n, 4 * hidden]`.
    Forward(RnnLayer),
    /// The gradients of the input's part of the gates `[l, n, gates * hidden]` (from which those of x, its weight and its bias follow), of the states, and of the
    /// state's weight, bias, and projection. Inputs: the gradients of all h, and of an LSTM of all c; then those of forward; then its results.
    Grad(RnnLayer),
}

impl Rnn {
    names! {
        Rnn::Forward(_) => "rnn",
        Rnn::Grad(_) => "rnn_backward",
    }

    /// The layer.
    pub fn layer(&self) -> &RnnLayer {
        match self {
            Rnn::Forward(layer) | Rnn::Grad(layer) => layer,
        }
    }

    pub(super) fn infer(&self, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let name = self.name();
        let layer = self.layer();
        want_float(name, same_dtype(name, inputs)?)?;
        let (states, of_forward) = (layer.kind.states(), layer.inputs());
        let results = states + usize::from(layer.kind.reserve() > 0);
        let wanted = match self {
            Rnn::Forward(_) => of_forward,
            Rnn::Grad(_) => states + of_forward + results,
        };
        if inputs.len() != wanted {
            return Err(Error::value(name, format!("takes {wanted} tensors, got {}", inputs.len())));
        }
        match self {
            Rnn::Forward(_) => layer.results(name, inputs),
            Rnn::Grad(_) => {
                let given = &inputs[states..states + of_forward];
                let made = layer.results(name, given)?;
                let (grads, outputs) = (inputs[..states].iter(), inputs[states + of_forward..].iter());
                for (got, wanted) in grads.zip(&made).chain(outputs.zip(&made)) {
                    if got.shape != wanted.shape.as_slice() {
                        return Err(Error::shape(name, format!("got {:?} for a result of shape {:?}", got.shape, wanted.shape.as_slice())));
                    }
                }
                let (x, states, weights) = layer.split(given);
                let gates = Meta::new(&[x.shape[0], x.shape[1], weights[0].shape[0]], x.dtype);
                // The weights are two, and so are the biases: of each the state's.
                let rest = [1, 3].into_iter().filter(|&i| i == 1 || layer.bias).chain(layer.projection.then_some(weights.len() - 1));
                Ok(std::iter::once(gates).chain(states.iter().map(|m| m.to_meta())).chain(rest.map(|i| weights[i].to_meta())).collect())
            }
        }
    }
}

impl RnnLayer {
    /// The number of inputs of the forward operation.
    pub fn inputs(&self) -> usize {
        3 + self.kind.states() + 2 * usize::from(self.bias) + usize::from(self.projection)
    }

    /// The inputs of the forward operation: x, the states, and weights with biases and projection.
    pub fn split<'a, I>(&self, inputs: &'a [I]) -> (&'a I, &'a [I], &'a [I]) {
        let (states, weights) = inputs[1..].split_at(self.kind.states());
        (&inputs[0], states, weights)
    }

    fn results(&self, name: &'static str, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let kind = self.kind;
        let (x, states, weights) = self.split(inputs);
        let (of_input, of_state, more) = (weights[0], weights[1], &weights[2..]);
        let wrong = || {
            let shapes: Vec<&[usize]> = inputs.iter().map(|m| m.shape).collect();
            Error::shape(
                name,
                format!(
                    "wants x [l, n, input], states [n, ..], weights [{g} * hidden, input] and [{g} * hidden, state], then biases and projection, got {shapes:?}",
                    g = kind.gates()
                ),
            )
        };
        let (&[l, n, input], &[rows, state]) = (x.shape, of_state.shape) else { return Err(wrong()) };
        let hidden = rows / kind.gates();
        let fits = of_input.shape == [rows, input]
            && rows.is_multiple_of(kind.gates())
            && states[0].shape == [n, state]
            && states.get(1).is_none_or(|c| c.shape == [n, hidden])
            && (!self.bias || more[..2].iter().all(|b| b.shape == [rows]))
            && match (self.projection, more.last()) {
                (true, Some(p)) => kind == RnnKind::Lstm && p.shape == [state, hidden],
                _ => state == hidden,
            };
        if !fits {
            return Err(wrong());
        }
        if l == 0 {
            return Err(Error::shape(name, format!("wants at least one step, got an input of shape {:?}", x.shape)));
        }
        let mut results: Metas = smallvec::smallvec![Meta::new(&[l, n, state], x.dtype)];
        if kind == RnnKind::Lstm {
            results.push(Meta::new(&[l, n, hidden], x.dtype));
        }
        if kind.reserve() > 0 {
            results.push(Meta::new(&[l, n, kind.reserve() * hidden], x.dtype));
        }
        Ok(results)
    }
}
