//! Muon.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::Group;
use crate::options::{OptionValue, Rule, not_negative, optimizer};

/// How [`Muon`]'s step size follows the shape of a matrix `[a, b]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdjustLr {
    /// Times `sqrt(max(1, a / b))`.
    #[default]
    Original,
    /// Times `0.2 sqrt(max(a, b))`, which matches the size of AdamW's updates.
    MatchRmsAdamW,
    /// Times `sqrt(a / b)`.
    SpectralUnclamped,
}

impl AdjustLr {
    /// By PyTorch's name.
    pub fn from_name(name: &str) -> Option<AdjustLr> {
        match name {
            "original" => Some(AdjustLr::Original),
            "match_rms_adamw" => Some(AdjustLr::MatchRmsAdamW),
            "spectral_unclamped" => Some(AdjustLr::SpectralUnclamped),
            _ => None,
        }
    }
}

impl OptionValue for AdjustLr {
    fn to_value(&self) -> Value {
        match self {
            AdjustLr::Original => "original".into(),
            AdjustLr::MatchRmsAdamW => "match_rms_adamw".into(),
            AdjustLr::SpectralUnclamped => "spectral_unclamped".into(),
        }
    }
    fn of_value(value: &Value) -> Option<AdjustLr> {
        if let Value::None = value { Some(AdjustLr::Original) } else { AdjustLr::from_name(value.as_str()?) }
    }
}

optimizer! {
    /// Momentum orthogonalised by Newton-Schulz iterations (Jordan et al., 2024): `torch.optim.Muon`, for the weight matrices of hidden layers. The iterations are rounded to bfloat16.
    Muon, MuonBuilder, MuonOptions, lr = 1e-3 => {
        /// The weight decay, which shrinks the parameter. Default: 0.1.
        weight_decay: f64 = 0.1;
        /// The decay of the running mean of gradients. Default: 0.95.
        momentum: f64 = 0.95;
        /// Nesterov's momentum. Default: true.
        nesterov: bool = true;
        /// The coefficients of the iteration `X := a X + (b A + c A^2) X`, `A = X X^T`. Default: 3.4445, -4.775, 2.0315.
        ns_coefficients: (f64, f64, f64) = (3.4445, -4.775, 2.0315);
        /// The least norm that is divided by. Default: 1e-7.
        eps: f64 = 1e-7;
        /// The number of iterations. Default: 5.
        ns_steps: usize = 5;
        /// How the step size follows the shape. Default: `Original`.
        adjust_lr_fn: AdjustLr = AdjustLr::Original;
    }
}

/// Rounded to bfloat16, kept in f32.
fn half(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::BF16)?.to_dtype(DType::F32)
}

/// The nearest matrix with orthonormal rows or columns, roughly.
fn orthogonalised(x: &Tensor, o: &MuonOptions) -> Result<Tensor> {
    let (a, b, c) = o.ns_coefficients;
    let tall = x.shape()[0] > x.shape()[1];
    let mut y = half(&x.to_dtype(DType::F32)?)?;
    if tall {
        y = y.t()?;
    }
    // The norm is rounded too.
    let norm = half(&y.square()?.sum()?.sqrt()?)?.to_f64()?.max(o.eps);
    y = half(&y.div(norm)?)?;
    for _ in 0..o.ns_steps {
        let gram = half(&y.matmul(&y.t()?)?)?;
        let polynomial = half(&gram.mul(b)?.add(&gram.matmul(&gram)?.mul(c)?)?)?;
        y = half(&y.mul(a)?.add(&polynomial.matmul(&y)?)?)?;
    }
    if tall { y.t() } else { Ok(y) }
}

impl Rule for MuonOptions {
    const NAME: &'static str = "Muon";
    const STATES: &'static [&'static str] = &["momentum_buffer"];
    const COUNTS: bool = false;

    fn check(&self) -> Result<()> {
        not_negative("Muon", "learning rate", self.lr)?;
        not_negative("Muon", "momentum", self.momentum)?;
        not_negative("Muon", "weight decay", self.weight_decay)
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        if let Some(p) = group.params.iter().find(|p| p.shape().len() != 2) {
            return Err(Error::shape("Muon", format!("takes matrices only, got a parameter of shape {:?}", p.shape())));
        }
        for ((), members) in group.by_key(|_| ()) {
            for i in members {
                let parameter = group.params[i].clone();
                let Some(grad) = parameter.grad() else { continue };
                let value = parameter.lock().value().clone();
                let state = &mut group.states[i];
                let buffer = state.tensor("momentum_buffer").map_or_else(|| value.zeros_like(), |t| Ok(t.clone()))?;
                let buffer = buffer.add(&grad.sub(&buffer)?.mul(1.0 - o.momentum)?)?;
                let update = if o.nesterov { grad.add(&buffer.sub(&grad)?.mul(o.momentum)?)? } else { buffer.clone() };
                let update = orthogonalised(&update, &o)?.to_dtype(value.dtype())?;
                let (rows, columns) = (value.shape()[0] as f64, value.shape()[1] as f64);
                let lr = o.lr
                    * match o.adjust_lr_fn {
                        AdjustLr::Original => (rows / columns).max(1.0).sqrt(),
                        AdjustLr::MatchRmsAdamW => 0.2 * rows.max(columns).sqrt(),
                        AdjustLr::SpectralUnclamped => (rows / columns).sqrt(),
                    };
                parameter.set(&value.mul(1.0 - o.lr * o.weight_decay)?.sub(&update.mul(lr)?)?)?;
                state.set_tensor("momentum_buffer", buffer);
                state.step += 1;
            }
        }
        Ok(())
    }

    fn momentum(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.momentum = momentum;
    }
}
