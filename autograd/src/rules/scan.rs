//! Scans. The derivatives of all but sums are scans again: linear recurrences, which need no division and so have no trouble with zeros.

use rushlight_backend::op::{Scan, ScanKind};
use rushlight_tensor::{Result, Tensor, apply1};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves, only};

/// The element before each one in the direction of the scan; `fill` before the first.
fn before(t: &Tensor, scan: &Scan, fill: f64) -> Result<Tensor> {
    let dim = scan.dim as isize;
    let n = t.shape()[scan.dim];
    if n == 0 {
        return Ok(t.clone());
    }
    let mut shape = t.shape().to_vec();
    shape[scan.dim] = 1;
    let edge = Tensor::full((), fill, (t.dtype(), t.device()))?.expand(shape)?;
    match scan.reverse {
        false => Tensor::cat(&[edge, t.narrow(dim, 0, n - 1)?], dim),
        true => Tensor::cat(&[t.narrow(dim, 1, n - 1)?, edge], dim),
    }
}

/// The element after each one in the direction of the scan; 0 after the last.
fn after(t: &Tensor, scan: &Scan) -> Result<Tensor> {
    before(t, &Scan { reverse: !scan.reverse, ..*scan }, 0.0)
}

/// `exp(d)` of differences that are not positive; 0 where both sides were infinite.
fn share(d: &Tensor) -> Result<Tensor> {
    d.isnan()?.where_(f64::NEG_INFINITY, d)?.exp()
}

/// Which factors the derivative of a scan, a recurrence, has, and by what the tangent of the input is multiplied.
fn linearised(scan: &Scan, ctx: &Ctx<'_>) -> Result<(Tensor, Tensor)> {
    let (x, y) = (ctx.input(0)?, ctx.output(0)?);
    match scan.kind {
        ScanKind::LogSumExp => Ok((share(&before(y, scan, f64::NEG_INFINITY)?.sub(y)?)?, share(&x.sub(y)?)?)),
        _ => Ok((x.clone(), before(y, scan, 1.0)?)),
    }
}

impl Rule for Scan {
    fn kind(&self) -> Kind {
        if self.kind == ScanKind::Sum { Kind::Linear } else { Kind::General }
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self.kind {
            ScanKind::Sum => Saves::NONE,
            ScanKind::Max | ScanKind::Min => Saves::outputs(2),
            ScanKind::Prod | ScanKind::LogSumExp | ScanKind::Recurrence => Saves { inputs: 1, outputs: 1 },
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let (g, dim) = (only(ctx, grads)?, self.dim as isize);
        Ok(match self.kind {
            ScanKind::Sum => smallvec::smallvec![Some(apply1(Scan { reverse: !self.reverse, ..*self }, [g])?)],
            ScanKind::Max | ScanKind::Min => {
                let x = ctx.input_meta(0);
                let zeros = Tensor::zeros(x.shape, (x.dtype, g.device()))?;
                smallvec::smallvec![Some(zeros.scatter_add(dim, ctx.output(1)?, g)?)]
            }
            ScanKind::Prod | ScanKind::LogSumExp => {
                let (factors, local) = linearised(self, ctx)?;
                smallvec::smallvec![Some(g.recurrence(&after(&factors.conj()?, self)?, dim, !self.reverse)?.mul(&local.conj()?)?)]
            }
            ScanKind::Recurrence => {
                let sums = g.recurrence(&after(&ctx.input(0)?.conj()?, self)?, dim, !self.reverse)?;
                let of_factors = ctx.needs(0).then(|| sums.mul(&before(ctx.output(0)?, self, 0.0)?.conj()?)).transpose()?;
                smallvec::smallvec![of_factors, Some(sums)]
            }
        })
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let dim = self.dim as isize;
        let one = |t: Tensor| Ok(Some(smallvec::smallvec![Some(t)]));
        match (self.kind, tangents) {
            (ScanKind::Max | ScanKind::Min, [Some(t)]) => Ok(Some(smallvec::smallvec![Some(t.gather(dim, ctx.output(1)?)?), None])),
            (ScanKind::LogSumExp, [Some(t)]) => {
                // As PyTorch has it: sums relative to the largest element of the whole row, and a small number against division by 0.
                let x = ctx.input(0)?;
                let shares = x.sub(&x.detach().amax(dim, true)?)?.exp()?;
                let sum = |t: &Tensor| apply1(Scan { kind: ScanKind::Sum, ..*self }, [t]);
                one(sum(&shares.mul(t)?)?.div(&sum(&shares)?.add(1e-13)?)?)
            }
            (ScanKind::Prod, [Some(t)]) => {
                let (factors, local) = linearised(self, ctx)?;
                one(t.mul(&local)?.recurrence(&factors, dim, self.reverse)?)
            }
            (ScanKind::Recurrence, [a, b]) => {
                let of_factors = a.as_ref().map(|a| a.mul(&before(ctx.output(0)?, self, 0.0)?)).transpose()?;
                let sum = match (of_factors, b) {
                    (Some(a), Some(b)) => a.add(b)?,
                    (Some(a), None) => a,
                    (None, Some(b)) => b.clone(),
                    (None, None) => return Ok(None),
                };
                one(sum.recurrence(ctx.input(0)?, dim, self.reverse)?)
            }
            _ => Ok(None),
        }
    }
}
