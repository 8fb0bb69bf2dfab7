//! Recurrent layers: one direction over a whole sequence as one operation forward and one backward.

use super::{MetaRef, Metas, same_dtype, want_float};
use crate::{Error, Meta, Result};

/// What a recurrent layer computes in a step from the gates `x + W h + b`, where x is the input's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnKind {
    /// `tanh(x + W h + b)`.
    Tanh,
    /// `relu(x + W h + b)`.
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
    /// Whether there is a bias of the state's part.
    pub bias: bool,
    /// Whether h is projected (LSTM alone).
    pub projection: bool,
}

/// A recurrent layer over a sequence, or the gradient of one. All tensors have one floating-point dtype. Biases of the input's part are in it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rnn {
    /// Inputs: the input's part of the gates `[l, n, gates * hidden]`, h `[n, state]`, of an LSTM c `[n, hidden]`, the weight `[gates * hidden, state]`, perhaps a
    /// bias `[gates * hidden]`, perhaps a projection `[state, hidden]`. Without one the state's size is the hidden one. Results: all h `[l, n, state]`;
    /// of an LSTM all c `[l, n, hidden]`; of GRU and LSTM what backward reads, `[l, n, 4 * hidden]`.
    Forward(RnnLayer),
    /// The gradients of the inputs. Inputs: the gradients of all h, and of an LSTM of all c; then those of forward; then its results.
    Grad(RnnLayer),
}

impl Rnn {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Rnn::Forward(_) => "rnn",
            Rnn::Grad(_) => "rnn_backward",
        }
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
                Ok(given.iter().map(|m| m.to_meta()).collect())
            }
        }
    }
}

impl RnnLayer {
    /// The number of inputs of the forward operation.
    pub fn inputs(&self) -> usize {
        2 + self.kind.states() + usize::from(self.bias) + usize::from(self.projection)
    }

    fn results(&self, name: &'static str, inputs: &[MetaRef<'_>]) -> Result<Metas> {
        let kind = self.kind;
        let (x, states, rest) = (inputs[0], &inputs[1..=kind.states()], &inputs[1 + kind.states()..]);
        let (weight, more) = (rest[0], &rest[1..]);
        let wrong = || {
            let shapes: Vec<&[usize]> = inputs.iter().map(|m| m.shape).collect();
            Error::shape(
                name,
                format!(
                    "wants gates [l, n, {g} * hidden], states [n, ..], a weight [{g} * hidden, state], then bias and projection, got {shapes:?}",
                    g = kind.gates()
                ),
            )
        };
        let (&[l, n, rows], &[weight_rows, state]) = (x.shape, weight.shape) else { return Err(wrong()) };
        let hidden = rows / kind.gates();
        let fits = rows == weight_rows
            && rows.is_multiple_of(kind.gates())
            && states[0].shape == [n, state]
            && states.get(1).is_none_or(|c| c.shape == [n, hidden])
            && (!self.bias || more[0].shape == [rows])
            && match (self.projection, more.last()) {
                (true, Some(p)) => kind == RnnKind::Lstm && p.shape == [state, hidden],
                _ => state == hidden,
            };
        if !fits {
            return Err(wrong());
        }
        if l == 0 {
            return Err(Error::shape(name, format!("wants at least one step, got gates of shape {:?}", x.shape)));
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
