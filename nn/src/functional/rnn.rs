//! Recurrent networks: one step, and whole sequences.

pub use rushlight_tensor::backend::op::RnnKind;
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

impl RnnWeights {
    /// Calls `f` with the weights as the operation takes them: with both biases or none.
    fn with<R>(&self, f: impl FnOnce(rushlight_tensor::RnnWeights<'_>) -> Result<R>) -> Result<R> {
        let zeros;
        let bias = match (&self.bias_ih, &self.bias_hh) {
            (None, None) => None,
            (Some(a), Some(b)) => Some([a, b]),
            (Some(a), None) => {
                zeros = a.zeros_like()?;
                Some([a, &zeros])
            }
            (None, Some(b)) => {
                zeros = b.zeros_like()?;
                Some([&zeros, b])
            }
        };
        f(rushlight_tensor::RnnWeights { input: &self.weight_ih, state: &self.weight_hh, bias, projection: self.weight_hr.as_ref() })
    }
}

/// One step: x`[n, input]` and the states `[n, ..]`, of an LSTM h and c, give the new states.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn rnn_step(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<Vec<Tensor>> {
    check(kind, x, states, w)?;
    w.with(|w| rushlight_tensor::rnn_step(kind, x, states, w))
}

/// An error unless input, states and weights fit each other.
fn check(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<()> {
    let wrong = |what: String| Err(Error::shape("rnn", what));
    let (&[rows, input], &[rows_hh, state]) = (w.weight_ih.shape(), w.weight_hh.shape()) else {
        return wrong(format!("wants weights that are matrices, got {:?} and {:?}", w.weight_ih.shape(), w.weight_hh.shape()));
    };
    let count = kind.states();
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

/// As [`rnn_layer`], the states of all steps instead of the last ones.
pub(crate) fn rnn_layer_states(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights) -> Result<Vec<Tensor>> {
    check(kind, x, states, w)?;
    w.with(|w| rushlight_tensor::rnn_states(kind, x, states, w, false))
}

/// One layer in one direction over x`[l, n, input]`, from the states `[n, ..]`: the outputs `[l, n, state]` and the last states.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn rnn_layer(kind: RnnKind, x: &Tensor, states: &[Tensor], w: &RnnWeights, reverse: bool) -> Result<(Tensor, Vec<Tensor>)> {
    check(kind, x, states, w)?;
    w.with(|w| rushlight_tensor::rnn(kind, x, states, w, reverse))
}
