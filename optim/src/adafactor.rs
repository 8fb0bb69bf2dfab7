//! Adafactor.

use rushlight_tensor::{DType, Error, Result, Tensor};

use crate::Group;
use crate::options::{Rule, not_negative, optimizer};

optimizer! {
    /// Adafactor (Shazeer and Stern, 2018): `torch.optim.Adafactor`. For matrices the running mean of squared gradients is kept as the outer product of its means over rows and over
    /// columns; the step size is relative to the parameter's size.
    Adafactor, AdafactorBuilder, AdafactorOptions, lr = 1e-2 => {
        /// The decay of the running mean after t steps is `1 - t^beta2_decay`. Default: -0.8.
        beta2_decay: f64 = -0.8;
        /// The root of the least mean square (`None`: the machine precision of the dtype), and the least size of a parameter. Default: none and 1e-3.
        eps: (Option<f64>, f64) = (None, 1e-3);
        /// The largest root mean square of an update. Default: 1.
        d: f64 = 1.0;
        /// The weight decay, which shrinks the parameter. Default: 0.
        weight_decay: f64 = 0.0;
        /// Go up instead of down. Default: false.
        maximize: bool = false;
    }
}

/// The root of the sum of squares.
pub(crate) fn norm(x: &Tensor) -> Result<f64> {
    x.square()?.sum()?.sqrt()?.to_f64()
}

/// The distance from 1 to the next number.
fn precision(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}

fn toward(old: &Tensor, new: &Tensor, weight: f64) -> Result<Tensor> {
    old.add(&new.sub(old)?.mul(weight)?)
}

impl Rule for AdafactorOptions {
    const NAME: &'static str = "Adafactor";
    const STATES: &'static [&'static str] = &["row_var", "col_var", "variance"];

    fn check(&self) -> Result<()> {
        not_negative("Adafactor", "learning rate", self.lr)?;
        not_negative("Adafactor", "weight decay", self.weight_decay)?;
        not_negative("Adafactor", "epsilon", self.eps.0.unwrap_or(0.0))?;
        not_negative("Adafactor", "epsilon", self.eps.1)?;
        if self.beta2_decay > 0.0 {
            return Err(Error::value("Adafactor", format!("beta2_decay must not be positive, got {}", self.beta2_decay)));
        }
        if self.d < 1.0 {
            return Err(Error::value("Adafactor", format!("the clipping threshold d must be at least 1, got {}", self.d)));
        }
        Ok(())
    }

    fn step(group: &mut Group<Self>) -> Result<()> {
        let o = group.options;
        for (before, members) in group.by_key(|s| s.step) {
            let t = before as f64 + 1.0;
            let (fresh, rho) = (t.powf(o.beta2_decay), o.lr.min(1.0 / t.sqrt()));
            for i in members {
                let parameter = group.params[i].clone();
                let Some(grad) = parameter.grad() else { continue };
                let grad = if o.maximize { grad.neg()? } else { grad };
                let mut value = parameter.lock().value().clone();
                let eps1 = o.eps.0.unwrap_or(precision(value.dtype()));
                let alpha = o.eps.1.max(norm(&value)? / (value.numel() as f64).sqrt()) * rho;
                if o.weight_decay != 0.0 {
                    value = value.mul(1.0 - o.lr * o.weight_decay)?;
                }
                let state = &mut group.states[i];
                let kept = |name: &str, like: &Tensor| state.tensor(name).map_or_else(|| like.zeros_like(), |t| Ok(t.clone()));
                let squares = grad.square()?;
                let estimate = if grad.dim() > 1 {
                    let (rows, columns) = (squares.mean_dim(-1, true)?, squares.mean_dim(-2, true)?);
                    let rows = toward(&kept("row_var", &rows)?, &rows, fresh)?;
                    let columns = toward(&kept("col_var", &columns)?, &columns, fresh)?;
                    let estimate = rows.mul(&columns)?.div(&rows.mean_dim(-2, true)?.clamp(eps1, None)?)?;
                    state.set_tensor("row_var", rows);
                    state.set_tensor("col_var", columns);
                    estimate
                } else {
                    let variance = toward(&kept("variance", &squares)?, &squares, fresh)?;
                    state.set_tensor("variance", variance.clone());
                    variance
                };
                let update = grad.div(&estimate.clamp(eps1 * eps1, None)?.sqrt()?)?;
                let excess = (norm(&update)? / ((update.numel() as f64).sqrt() * o.d)).max(1.0);
                parameter.set(&value.sub(&update.mul(alpha / excess)?)?)?;
                state.step += 1;
            }
        }
        Ok(())
    }
}
