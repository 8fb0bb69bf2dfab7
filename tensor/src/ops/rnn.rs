//! Recurrent layers over sequences.

use rushlight_backend::op::{Rnn, RnnKind, RnnLayer};
use rushlight_backend::{Error, MetaRef, Op, Result};

use crate::{Tensor, Tensors, apply, autocast_dtype};

/// The weights of a recurrent layer, in one direction.
#[derive(Clone, Copy, Debug)]
pub struct RnnWeights<'a> {
    /// Of the input: `[gates * hidden, input]`.
    pub input: &'a Tensor,
    /// Of the state: `[gates * hidden, state]`.
    pub state: &'a Tensor,
    /// The biases of the input's and of the state's part: `[gates * hidden]`.
    pub bias: Option<[&'a Tensor; 2]>,
    /// The projection of the state of an LSTM: `[state, hidden]`.
    pub projection: Option<&'a Tensor>,
}

impl RnnWeights<'_> {
    /// The input's part of the gates.
    fn of_input(&self, x: &Tensor) -> Result<Tensor> {
        x.linear(self.input, self.bias.map(|b| b[0]))
    }
}

/// A recurrent layer in one direction, from x `[l, n, input]` and the first states `[n, ..]`, of an LSTM h and c: all h `[l, n, state]`, and the last states.
///
/// # Errors
/// If shapes or dtypes do not fit, or there is no step.
pub fn rnn(kind: RnnKind, x: &Tensor, states: &[Tensor], w: RnnWeights<'_>, reverse: bool) -> Result<(Tensor, Vec<Tensor>)> {
    let all = rnn_states(kind, x, states, w, reverse)?;
    let last = if reverse { 0 } else { -1 };
    let states = all.iter().map(|all| all.select(0, last)).collect::<Result<_>>()?;
    all.into_iter().next().map(|y| (y, states)).ok_or_else(|| Error::value("rnn", "the operation has no result"))
}

/// As [`rnn`], the states of all steps: all h `[l, n, state]`, and of an LSTM all c `[l, n, hidden]`.
///
/// # Errors
/// As `rnn`.
pub fn rnn_states(kind: RnnKind, x: &Tensor, states: &[Tensor], w: RnnWeights<'_>, reverse: bool) -> Result<Vec<Tensor>> {
    let layer = RnnLayer { kind, reverse, bias: w.bias.is_some(), projection: w.projection.is_some() };
    let inputs = std::iter::once(x).chain(states).chain([w.input, w.state]).chain(w.bias.into_iter().flatten()).chain(w.projection);
    let mut results = if autocast_dtype().is_some() && (kind == RnnKind::Gru || layer.projection) {
        in_region(layer, &inputs.collect::<Vec<_>>())?
    } else {
        apply(Rnn::Forward(layer), inputs)?
    };
    results.truncate(kind.states());
    Ok(results.into_vec())
}

/// A layer whose state stays wide in a region of mixed precision while its products are narrow, as in PyTorch, where these kinds have no kernel for the sequence.
fn in_region(layer: RnnLayer, inputs: &[&Tensor]) -> Result<Tensors> {
    let metas: Vec<MetaRef<'_>> = inputs.iter().map(|t| MetaRef { dtype: inputs[0].dtype(), ..t.meta() }).collect();
    Op::from(Rnn::Forward(layer)).infer(&metas)?;
    forward(&layer, &parts(&layer, inputs)?)
}

/// One step of a recurrent layer: from x `[n, input]` and the states `[n, ..]` the new states.
///
/// # Errors
/// If shapes or dtypes do not fit.
pub fn rnn_step(kind: RnnKind, x: &Tensor, states: &[Tensor], w: RnnWeights<'_>) -> Result<Vec<Tensor>> {
    step(kind, &w.of_input(x)?, states, w).map(|(states, _)| states)
}

/// The new states, and what backward reads.
fn step(kind: RnnKind, from_input: &Tensor, states: &[Tensor], w: RnnWeights<'_>) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let h = &states[0];
    let from_state = h.linear(w.state, w.bias.map(|b| b[1]))?;
    match kind {
        RnnKind::Tanh => Ok((vec![from_input.add(&from_state)?.tanh()?], vec![])),
        RnnKind::Relu => Ok((vec![from_input.add(&from_state)?.relu()?], vec![])),
        RnnKind::Gru => {
            let (x, mut s) = (from_input.chunk(3, -1)?, from_state.chunk(3, -1)?);
            let (reset, update) = (x[0].add(&s[0])?.sigmoid()?, x[1].add(&s[1])?.sigmoid()?);
            let new = x[2].add(&reset.mul(&s[2])?)?.tanh()?;
            let h = h.sub(&new)?.mul(&update)?.add(&new)?;
            Ok((vec![h], vec![reset, update, new, s.swap_remove(2)]))
        }
        RnnKind::Lstm => {
            let gates = from_input.add(&from_state)?.chunk(4, -1)?;
            let (input, forget, cell, output) = (gates[0].sigmoid()?, gates[1].sigmoid()?, gates[2].tanh()?, gates[3].sigmoid()?);
            let c = forget.mul(&states[1])?.add(&input.mul(&cell)?)?;
            let h = output.mul(&c.tanh()?)?;
            let h = match w.projection {
                Some(projection) => h.linear(projection, None)?,
                None => h,
            };
            Ok((vec![h, c], vec![input, forget, cell, output]))
        }
    }
}

/// The inputs of a layer.
struct Parts<'a> {
    from_input: Vec<Tensor>,
    states: Vec<Tensor>,
    weights: RnnWeights<'a>,
    /// The steps in the order in which they are gone through.
    order: Vec<usize>,
}

fn parts<'a>(layer: &RnnLayer, inputs: &[&'a Tensor]) -> Result<Parts<'a>> {
    let (x, states, w) = layer.split(inputs);
    let weights = RnnWeights {
        input: w[0],
        state: w[1],
        bias: layer.bias.then(|| [w[2], w[3]]),
        projection: if layer.projection { w.last().copied() } else { None },
    };
    // The input's part of all steps is one product.
    let from_input = weights.of_input(x)?.unbind(0)?;
    let mut order: Vec<usize> = (0..from_input.len()).collect();
    if layer.reverse {
        order.reverse();
    }
    Ok(Parts { from_input, states: states.iter().map(|&t| t.clone()).collect(), weights, order })
}

/// The operations in smaller ones.
pub(crate) fn decompose(op: &Rnn, inputs: &[&Tensor]) -> Result<Tensors> {
    let layer = op.layer();
    match op {
        Rnn::Forward(_) => forward(layer, &parts(layer, inputs)?),
        // From the inputs alone, so that the derivative of this sees all that depends on them.
        Rnn::Grad(_) => {
            let count = layer.kind.states();
            let grads = inputs[..count].iter().map(|g| g.unbind(0)).collect::<Result<Vec<_>>>()?;
            backward(layer, &grads, &parts(layer, &inputs[count..count + layer.inputs()])?)
        }
    }
}

fn forward(layer: &RnnLayer, p: &Parts<'_>) -> Result<Tensors> {
    let mut states = p.states.clone();
    let mut all: Vec<Vec<Option<Tensor>>> = vec![vec![None; p.order.len()]; states.len() + usize::from(layer.kind.reserve() > 0)];
    for &t in &p.order {
        let (new, reserve) = step(layer.kind, &p.from_input[t], &states, p.weights)?;
        states = new;
        for (place, state) in all.iter_mut().zip(&states) {
            place[t] = Some(state.clone());
        }
        if !reserve.is_empty() {
            all[states.len()][t] = Some(Tensor::cat(&reserve, -1)?);
        }
    }
    all.into_iter().map(|steps| Tensor::stack(&steps.into_iter().flatten().collect::<Vec<_>>(), 0)).collect()
}

/// `g * (1 - y^2)`
fn tanh_grad(g: &Tensor, y: &Tensor) -> Result<Tensor> {
    g.sub(&g.mul(y)?.mul(y)?)
}

/// `g * y * (1 - y)`
fn sigmoid_grad(g: &Tensor, y: &Tensor) -> Result<Tensor> {
    let g = g.mul(y)?;
    g.sub(&g.mul(y)?)
}

fn add(sum: &mut Option<Tensor>, t: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        None => t,
        Some(s) => s.add(&t)?,
    });
    Ok(())
}

/// The sum of a gradient that arrives and one that was carried along.
fn with_carry(g: &Tensor, carry: Option<&Tensor>) -> Result<Tensor> {
    carry.map_or_else(|| Ok(g.clone()), |c| g.add(c))
}

fn backward(layer: &RnnLayer, grads: &[Vec<Tensor>], p: &Parts<'_>) -> Result<Tensors> {
    let w = p.weights;
    let mut steps = Vec::with_capacity(p.order.len());
    let mut states = p.states.clone();
    for &t in &p.order {
        let (new, gates) = step(layer.kind, &p.from_input[t], &states, w)?;
        steps.push((t, std::mem::replace(&mut states, new.clone()), new, gates));
    }
    let (mut dh, mut dc, mut dw, mut db, mut dp) = (None, None, None, None, None);
    let mut dx: Vec<Option<Tensor>> = vec![None; p.order.len()];
    for (t, old, new, gates) in steps.iter().rev() {
        let g = with_carry(&grads[0][*t], dh.as_ref())?;
        let mut direct = None;
        // The gradients of the input's and of the state's part of the gates.
        let (of_input, of_state) = match (layer.kind, gates.as_slice()) {
            (RnnKind::Gru, [reset, update, candidate, from_state]) => {
                let d_new = tanh_grad(&g.sub(&g.mul(update)?)?, candidate)?;
                let d_update = sigmoid_grad(&g.mul(&old[0].sub(candidate)?)?, update)?;
                let d_reset = sigmoid_grad(&d_new.mul(from_state)?, reset)?;
                direct = Some(g.mul(update)?);
                let of_state = Tensor::cat(&[&d_reset, &d_update, &d_new.mul(reset)?], -1)?;
                (Tensor::cat(&[d_reset, d_update, d_new], -1)?, of_state)
            }
            (RnnKind::Lstm, [input, forget, cell, output]) => {
                let tanh = new[1].tanh()?;
                let g = match w.projection {
                    None => g,
                    Some(projection) => {
                        add(&mut dp, g.t()?.matmul(&output.mul(&tanh)?)?)?;
                        g.matmul(projection)?
                    }
                };
                let d_c = with_carry(&grads[1][*t], dc.as_ref())?.add(&tanh_grad(&g.mul(output)?, &tanh)?)?;
                let d_input = sigmoid_grad(&d_c.mul(cell)?, input)?;
                let d_forget = sigmoid_grad(&d_c.mul(&old[1])?, forget)?;
                let d_cell = tanh_grad(&d_c.mul(input)?, cell)?;
                let d_output = sigmoid_grad(&g.mul(&tanh)?, output)?;
                dc = Some(d_c.mul(forget)?);
                let d = Tensor::cat(&[d_input, d_forget, d_cell, d_output], -1)?;
                (d.clone(), d)
            }
            (RnnKind::Relu, _) => {
                let d = g.mul(&new[0].gt(0)?.to_dtype(g.dtype())?)?;
                (d.clone(), d)
            }
            _ => {
                let d = tanh_grad(&g, &new[0])?;
                (d.clone(), d)
            }
        };
        add(&mut dw, of_state.t()?.matmul(&old[0])?)?;
        if w.bias.is_some() {
            add(&mut db, of_state.sum_dim(0, false)?)?;
        }
        let back = of_state.matmul(w.state)?;
        dh = Some(direct.map_or(Ok(back.clone()), |d| back.add(&d))?);
        dx[*t] = Some(of_input);
    }
    let dx = Tensor::stack(&dx.into_iter().flatten().collect::<Vec<_>>(), 0)?;
    Ok(std::iter::once(dx).chain([dh, dc, dw, db, dp].into_iter().flatten()).collect())
}
