//! Recurrent networks: one step, and whole sequences.

use rushlight_tensor::{Error, Result, Tensor};

/// The weights of a recurrent layer in one direction.
#[derive(Clone, Debug)]
pub struct RnnWeights {
    /// For the input: `[gates * hidden, input]`.
    pub weight_ih: Tensor,
    /// For the state: `[gates * hidden, state]`.
    pub weight_hh: Tensor,
    /// Added to the input's part: `[gates * hidden]`.
    pub bias_ih: Option<Tensor>,
    /// Added to the state's part: `[gates * hidden]`.
    pub bias_hh: Option<Tensor>,
    /// The projection of the state of an LSTM: `[state, hidden]`.
    pub weight_hr: Option<Tensor>,
}

/// What a recurrent layer computes in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnKind {
    /// `tanh(W x + b + V h + c)`.
    Tanh,
    /// `relu(W x + b + V h + c)`.
    Relu,
    /// The gated recurrent unit (Cho et al., 2014).
    Gru,
    /// Long short-term memory (Hochreiter and Schmidhuber, 1997).
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
}

/// A step from the input's part of the gates `[n, gates * hidden]`: the new states, of an LSTM h and c.
fn advance(kind: RnnKind, from_input: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<Vec<Tensor>> {
    let h = &states[0];
    let from_state = h.linear(&w.weight_hh, w.bias_hh.as_ref())?;
    match kind {
        RnnKind::Tanh => Ok(vec![from_input.add(&from_state)?.tanh()?]),
        RnnKind::Relu => Ok(vec![from_input.add(&from_state)?.relu()?]),
        RnnKind::Gru => {
            let (x, s) = (from_input.chunk(3, -1)?, from_state.chunk(3, -1)?);
            let (reset, update) = (x[0].add(&s[0])?.sigmoid()?, x[1].add(&s[1])?.sigmoid()?);
            let new = x[2].add(&reset.mul(&s[2])?)?.tanh()?;
            Ok(vec![h.sub(&new)?.mul(&update)?.add(&new)?])
        }
        RnnKind::Lstm => {
            let gates = from_input.add(&from_state)?.chunk(4, -1)?;
            let (input, forget) = (gates[0].sigmoid()?, gates[1].sigmoid()?);
            let c = forget.mul(&states[1])?.add(&input.mul(&gates[2].tanh()?)?)?;
            let h = gates[3].sigmoid()?.mul(&c.tanh()?)?;
            let h = match &w.weight_hr {
                Some(projection) => h.linear(projection, None)?,
                None => h,
            };
            Ok(vec![h, c])
        }
    }
}

/// One step: x`[n, input]` and the states `[n, ..]`, of an LSTM h and c, give the new states.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn rnn_step(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<Vec<Tensor>> {
    check(kind, x, states, w)?;
    advance(kind, &x.linear(&w.weight_ih, w.bias_ih.as_ref())?, states, w)
}

/// An error unless input, states and weights fit each other.
fn check(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<()> {
    let wrong = |what: String| Err(Error::shape("rnn", what));
    let (&[rows, input], &[rows_hh, state]) = (w.weight_ih.shape(), w.weight_hh.shape()) else {
        return wrong(format!("wants weights that are matrices, got {:?} and {:?}", w.weight_ih.shape(), w.weight_hh.shape()));
    };
    let count = 1 + usize::from(kind == RnnKind::Lstm);
    if rows != rows_hh || rows % kind.gates() != 0 || states.len() != count {
        let gates = kind.gates();
        return wrong(format!(
            "wants weights of {gates} gates and {count} states, got {rows} and {rows_hh} rows and {} states",
            states.len()
        ));
    }
    if x.shape().last() != Some(&input) {
        return wrong(format!("wants a last dimension of {input} (input_size), got shape {:?}", x.shape()));
    }
    if states[0].shape().last() != Some(&state) {
        return wrong(format!("wants a state whose last dimension is {state}, got shape {:?}", states[0].shape()));
    }
    Ok(())
}

/// One layer in one direction over x`[l, n, input]`, from the states `[n, ..]`: the outputs `[l, n, state]` and the last states.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn rnn_layer(kind: RnnKind, x: &Tensor, states: Vec<Tensor>, w: &RnnWeights, reverse: bool) -> Result<(Tensor, Vec<Tensor>)> {
    check(kind, x, &states, w)?;
    // The input's part of all steps is one product.
    let from_input = x.linear(&w.weight_ih, w.bias_ih.as_ref())?.unbind(0)?;
    let mut states = states;
    let mut outputs = vec![None; from_input.len()];
    let order: Vec<usize> = if reverse { (0..from_input.len()).rev().collect() } else { (0..from_input.len()).collect() };
    for t in order {
        states = advance(kind, &from_input[t], &states, w)?;
        outputs[t] = Some(states[0].clone());
    }
    let outputs: Vec<Tensor> = outputs.into_iter().flatten().collect();
    if outputs.is_empty() {
        return Err(Error::shape("rnn", format!("wants at least one step, got shape {:?}", x.shape())));
    }
    Ok((Tensor::stack(&outputs, 0)?, states))
}
