//! Linear algebra. With `M^H` for the adjoint, and `phi` for a part of a matrix (a triangle, the diagonal halved), as PyTorch has the formulas.

use rushlight_backend::op::Linalg;
use rushlight_tensor::linalg::{self, solve_triangular};
use rushlight_tensor::{Error, Result, Tensor, apply};

use crate::rule::{Ctx, Grads, Kind, Rule, Saves};

fn product(factors: &[&Tensor]) -> Result<Tensor> {
    let mut out = factors[0].clone();
    for f in &factors[1..] {
        out = out.matmul(f)?;
    }
    Ok(out)
}

fn sum(parts: impl IntoIterator<Item = Option<Tensor>>) -> Result<Option<Tensor>> {
    let mut total: Option<Tensor> = None;
    for part in parts.into_iter().flatten() {
        total = Some(match total {
            None => part,
            Some(t) => t.add(&part)?,
        });
    }
    Ok(total)
}

/// The lower triangle, the diagonal halved.
fn half_lower(x: &Tensor) -> Result<Tensor> {
    x.tril(0)?.sub(&x.diagonal(0, -2, -1)?.diag_embed(0, -2, -1)?.mul(0.5)?)
}

/// The part that a triangular factor is read of.
fn triangle(x: &Tensor, of_upper: bool, unit: bool) -> Result<Tensor> {
    let k = isize::from(unit);
    if of_upper { x.triu(k) } else { x.tril(-k) }
}

/// One number for each matrix, to be multiplied by matrices.
fn each(x: &Tensor) -> Result<Tensor> {
    x.unsqueeze(-1)?.unsqueeze(-1)
}

/// `A X = B` without complaint about singular matrices.
fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(apply(Linalg::Solve { check: false }, [a, b])?.swap_remove(0))
}

/// The inverses; where a pivot is 0 it is moved by the dtype's epsilon, as PyTorch does it for determinants.
fn inverse(a: &Tensor) -> Result<Tensor> {
    let (lu, pivots, info) = linalg::lu_factor_ex(&a.detach(), true)?;
    let singular = info.numel() > 0 && info.all_values().abs()?.max()?.to_f64()? > 0.0;
    if !singular {
        return Ok(linalg::inv_ex(a)?.0);
    }
    let epsilon = if a.dtype().size() == 8 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let zero = lu.diagonal(0, -2, -1)?.eq(0)?.to_dtype(a.dtype())?.mul(epsilon)?;
    let (p, l, _) = linalg::lu_unpack(&lu, &pivots)?;
    Ok(linalg::inv_ex(&a.add(&product(&[&p, &l, &zero.diag_embed(0, -2, -1)?])?)?)?.0)
}

fn trace(x: &Tensor) -> Result<Tensor> {
    x.diagonal(0, -2, -1)?.sum_dim(-1, false)
}

/// 1 / (s_j - s_i), and 0 on the diagonal.
fn gaps(s: &Tensor) -> Result<Tensor> {
    let d = s.unsqueeze(-2)?.sub(&s.unsqueeze(-1)?)?;
    let n = s.size(-1)?;
    let unit = Tensor::eye(n, n, (s.dtype(), s.device()))?;
    d.add(&unit)?.reciprocal()?.sub(&unit)
}

/// P, L and U of a saved factorisation.
fn unpacked(ctx: &Ctx<'_>, pivot: bool) -> Result<(Option<Tensor>, Tensor, Tensor)> {
    let (p, l, u) = linalg::lu_unpack(ctx.output(0)?, ctx.output(1)?)?;
    Ok((pivot.then_some(p), l, u))
}

/// `A = P L U`. Beyond the square of `k = min(m, n)` a wide matrix has more of U, a tall one more of L.
fn lu_vjp(ctx: &Ctx<'_>, g: &Tensor, pivot: bool) -> Result<Tensor> {
    let shape = ctx.input_meta(0).shape;
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let k = m.min(n);
    let (p, l, u) = unpacked(ctx, pivot)?;
    let (l1, u1) = (l.narrow(-2, 0, k)?, u.narrow(-1, 0, k)?);
    let (l1h, u1h) = (l1.mh()?, u1.mh()?);
    let left = |x: &Tensor| solve_triangular(&l1h, x, true, true, true);
    let right = |x: &Tensor| solve_triangular(&u1h, x, false, false, false);
    let g1 = g.narrow(-2, 0, k)?.narrow(-1, 0, k)?;
    let mut of_l = l1h.matmul(&g1.tril(-1)?)?;
    let mut of_u = g1.triu(0)?.matmul(&u1h)?;
    let rest = if m > n {
        let (l2, g2) = (l.narrow(-2, k as isize, m - k)?, g.narrow(-2, k as isize, m - k)?);
        of_u = of_u.sub(&l2.mh()?.matmul(&g2)?)?;
        Some(right(&g2)?)
    } else if n > m {
        let (u2, g2) = (u.narrow(-1, k as isize, n - k)?, g.narrow(-1, k as isize, n - k)?);
        of_l = of_l.sub(&g2.matmul(&u2.mh()?)?)?;
        Some(left(&g2)?)
    } else {
        None
    };
    let first = left(&right(&of_l.tril(-1)?.add(&of_u.triu(0)?)?)?)?;
    let all = match rest {
        None => first,
        Some(rest) => Tensor::cat(&[first, rest], if m > n { -2 } else { -1 })?,
    };
    p.map_or(Ok(all.clone()), |p| p.matmul(&all))
}

fn lu_jvp(ctx: &Ctx<'_>, t: &Tensor, pivot: bool) -> Result<Tensor> {
    let shape = ctx.input_meta(0).shape;
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let k = m.min(n);
    let (p, l, u) = unpacked(ctx, pivot)?;
    let t = p.map_or(Ok(t.clone()), |p| p.transpose(-2, -1)?.matmul(t))?;
    let (l1, u1) = (l.narrow(-2, 0, k)?, u.narrow(-1, 0, k)?);
    let left = |x: &Tensor| solve_triangular(&l1, x, false, true, true);
    let right = |x: &Tensor| solve_triangular(&u1, x, true, false, false);
    let middle = left(&right(&t.narrow(-2, 0, k)?.narrow(-1, 0, k)?)?)?;
    let (below, above) = (middle.tril(-1)?, middle.triu(0)?);
    let first = l1.matmul(&below)?.add(&above.matmul(&u1)?)?;
    if m > n {
        let (l2, t2) = (l.narrow(-2, k as isize, m - k)?, t.narrow(-2, k as isize, m - k)?);
        return Tensor::cat(&[first, right(&t2)?.sub(&l2.matmul(&above)?)?], -2);
    }
    if n > m {
        let (u2, t2) = (u.narrow(-1, k as isize, n - k)?, t.narrow(-1, k as isize, n - k)?);
        return Tensor::cat(&[first, left(&t2)?.sub(&below.matmul(&u2)?)?], -1);
    }
    Ok(first)
}

fn no_complete_qr(complete: bool, shape: &[usize]) -> Result<()> {
    if complete && shape[shape.len() - 2] > shape[shape.len() - 1] {
        return Err(Error::autograd("linalg.qr", "a complete QR of matrices with more rows than columns has no derivative"));
    }
    Ok(())
}

/// `A = Q [U V]`, U square: U is found as of a tall matrix, and V = Q^H A2 follows.
fn qr_vjp(ctx: &Ctx<'_>, gq: Option<&Tensor>, gr: Option<&Tensor>) -> Result<Tensor> {
    let (q, r) = (ctx.output(0)?, ctx.output(1)?);
    let (k, n) = (r.size(-2)?, r.size(-1)?);
    let u = r.narrow(-1, 0, k)?;
    let mut gq = gq.map_or_else(|| q.zeros_like(), |g| Ok(g.clone()))?;
    let gr = gr.map_or_else(|| r.zeros_like(), |g| Ok(g.clone()))?;
    let rest = if n > k {
        let (v, gv) = (r.narrow(-1, k as isize, n - k)?, gr.narrow(-1, k as isize, n - k)?);
        // A2 = Q V: V = Q^H A2.
        gq = gq.add(&product(&[q, &v, &gv.mh()?])?)?;
        Some(q.matmul(&gv)?)
    } else {
        None
    };
    let m = u.matmul(&gr.narrow(-1, 0, k)?.mh()?)?.sub(&gq.mh()?.matmul(q)?)?;
    let symmetric = m.tril(-1)?.add(&m.tril(0)?.mh()?)?;
    let first = solve_triangular(&u.mh()?, &gq.add(&q.matmul(&symmetric)?)?, false, false, false)?;
    rest.map_or(Ok(first.clone()), |rest| Tensor::cat(&[first, rest], -1))
}

fn qr_jvp(ctx: &Ctx<'_>, t: &Tensor) -> Result<(Tensor, Tensor)> {
    let (q, r) = (ctx.output(0)?, ctx.output(1)?);
    let (k, n) = (r.size(-2)?, r.size(-1)?);
    let u = r.narrow(-1, 0, k)?;
    let qh = q.mh()?;
    let x = solve_triangular(&u, &t.narrow(-1, 0, k)?, true, false, false)?;
    let c = qh.matmul(&x)?;
    let symmetric = c.add(&c.mh()?)?;
    let s = half_lower(&symmetric)?.mh()?;
    let dq = x.sub(&q.matmul(&s)?)?;
    let mut dr = s.matmul(&u)?;
    if n > k {
        let (v, t2) = (r.narrow(-1, k as isize, n - k)?, t.narrow(-1, k as isize, n - k)?);
        dr = Tensor::cat(&[dr, qh.matmul(&t2)?.sub(&product(&[&qh, &dq, &v])?)?], -1)?;
    }
    Ok((dq, dr))
}

/// U, S, V^H cut to the singular values.
fn thin(ctx: &Ctx<'_>) -> Result<(Tensor, Tensor, Tensor)> {
    let (u, s, vh) = (ctx.output(0)?, ctx.output(1)?, ctx.output(2)?);
    let k = s.size(-1)?;
    Ok((u.narrow(-1, 0, k)?, s.clone(), vh.narrow(-2, 0, k)?))
}

fn svd_vjp(ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Tensor> {
    let (u, s, vh) = thin(ctx)?;
    let k = s.size(-1)?;
    let get = |i: usize| grads.get(i).and_then(Option::as_ref);
    let mut middle = get(1).map(|v| v.diag_embed(0, -2, -1)).transpose()?;
    let skew = |x: Tensor| -> Result<Tensor> { x.sub(&x.mh()?) };
    let gaps = || gaps(&s.square()?);
    let mut beyond = None;
    if let Some(gu) = get(0) {
        let gu = gu.narrow(-1, 0, k)?;
        let inner = u.mh()?.matmul(&gu)?;
        middle = sum([middle, Some(skew(inner.clone())?.mul(&gaps()?)?.mul(&s.unsqueeze(-2)?)?)])?;
        if u.size(-2)? > k {
            let out = gu.sub(&u.matmul(&inner)?)?.div(&s.unsqueeze(-2)?)?;
            beyond = sum([beyond, Some(out.matmul(&vh)?)])?;
        }
    }
    if let Some(gvh) = get(2) {
        let gv = gvh.narrow(-2, 0, k)?.mh()?;
        let v = vh.mh()?;
        let inner = vh.matmul(&gv)?;
        middle = sum([middle, Some(skew(inner.clone())?.mul(&gaps()?)?.mul(&s.unsqueeze(-1)?)?)])?;
        if v.size(-2)? > k {
            let out = gv.sub(&v.matmul(&inner)?)?.div(&s.unsqueeze(-2)?)?.mh()?;
            beyond = sum([beyond, Some(u.matmul(&out)?)])?;
        }
    }
    let inside = middle.map(|m| product(&[&u, &m, &vh])).transpose()?;
    sum([inside, beyond])?.map_or_else(|| u.matmul(&vh)?.zeros_like(), Ok)
}

fn svd_jvp(ctx: &Ctx<'_>, t: &Tensor, full: bool) -> Result<Grads> {
    let (u, s, vh) = thin(ctx)?;
    let (uh, v) = (u.mh()?, vh.mh()?);
    let p = product(&[&uh, t, &v])?;
    let ds = p.diagonal(0, -2, -1)?;
    let shape = ctx.input_meta(0).shape;
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    if full && m != n {
        // The vectors beyond the singular values are not determined: they have no tangent.
        return Ok(smallvec::smallvec![None, Some(ds), None]);
    }
    let (ph, row, column, gaps) = (p.mh()?, s.unsqueeze(-2)?, s.unsqueeze(-1)?, gaps(&s.square()?)?);
    let mut du = u.matmul(&p.mul(&row)?.add(&column.mul(&ph)?)?.mul(&gaps)?)?;
    let mut dv = v.matmul(&column.mul(&p)?.add(&ph.mul(&row)?)?.mul(&gaps)?)?;
    let k = s.size(-1)?;
    if m > k {
        let tv = t.matmul(&v)?;
        du = du.add(&tv.sub(&product(&[&u, &uh, &tv])?)?.div(&row)?)?;
    }
    if n > k {
        let tu = t.mh()?.matmul(&u)?;
        dv = dv.add(&tu.sub(&product(&[&v, &vh, &tu])?)?.div(&row)?)?;
    }
    Ok(smallvec::smallvec![Some(du), Some(ds), Some(dv.mh()?)])
}

impl Rule for Linalg {
    fn kind(&self) -> Kind {
        Kind::General
    }

    fn saves(&self, _: &[bool]) -> Saves {
        match self {
            Linalg::Cholesky { .. } => Saves::outputs(1),
            Linalg::Triangular { .. } | Linalg::Solve { .. } | Linalg::Det | Linalg::Pinv { .. } => Saves { inputs: 1, outputs: 1 },
            Linalg::SlogDet => Saves::inputs(1),
            Linalg::Lu { .. } | Linalg::Qr { .. } | Linalg::Eigh => Saves::outputs(3),
            Linalg::Svd { .. } => Saves::outputs(7),
        }
    }

    fn vjp(&self, ctx: &Ctx<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let get = |i: usize| grads.get(i).and_then(Option::as_ref);
        let nothing = || Grads::from_elem(None, ctx.input_count());
        let first = || get(0).ok_or_else(|| Error::autograd("linalg", "no gradient arrived at the result"));
        let one = |g: Tensor| -> Result<Grads> { Ok(smallvec::smallvec![Some(g)]) };
        match self {
            Linalg::Cholesky { .. } => {
                let Some(g) = get(0) else { return Ok(nothing()) };
                let lh = ctx.output(0)?.mh()?;
                let p = lh.matmul(g)?;
                let p = p.tril(0)?.add(&p.tril(-1)?.mh()?)?.mul(0.5)?;
                let x = solve_triangular(&lh, &p, true, true, false)?;
                one(solve_triangular(ctx.output(0)?, &x, false, false, false)?)
            }
            Linalg::Triangular { upper: of_upper, unit } => {
                let gb = solve_triangular(&ctx.input(0)?.mh()?, first()?, !of_upper, true, *unit)?;
                let ga = || triangle(&gb.matmul(&ctx.output(0)?.mh()?)?.neg()?, *of_upper, *unit);
                let ga = ctx.needs(0).then(ga).transpose()?;
                Ok(smallvec::smallvec![ga, Some(gb)])
            }
            Linalg::Solve { .. } => {
                let Some(g) = get(0) else { return Ok(nothing()) };
                let gb = solve(&ctx.input(0)?.mh()?, g)?;
                let ga = ctx.needs(0).then(|| gb.matmul(&ctx.output(0)?.mh()?)?.neg()).transpose()?;
                Ok(smallvec::smallvec![ga, Some(gb)])
            }
            Linalg::Det => {
                let scale = each(&first()?.mul(ctx.output(0)?)?)?;
                one(inverse(ctx.input(0)?)?.mh()?.mul(&scale)?)
            }
            Linalg::SlogDet => {
                let Some(g) = get(1) else { return Ok(nothing()) };
                one(linalg::inv_ex(ctx.input(0)?)?.0.mh()?.mul(&each(g)?)?)
            }
            Linalg::Lu { pivot } => match get(0) {
                Some(g) => one(lu_vjp(ctx, g, *pivot)?),
                None => Ok(nothing()),
            },
            Linalg::Qr { complete } => {
                no_complete_qr(*complete, ctx.input_meta(0).shape)?;
                one(qr_vjp(ctx, get(0), get(1))?)
            }
            Linalg::Eigh => {
                let (w, v) = (ctx.output(0)?, ctx.output(1)?);
                let vh = v.mh()?;
                let of_values = get(0).map(|v| v.diag_embed(0, -2, -1)).transpose()?;
                // Vectors stay orthonormal: only the skew-Hermitian part moves them, and the gradient is Hermitian.
                let skew = |p: Tensor| p.sub(&p.mh()?)?.mul(0.5);
                let of_vectors = get(1).map(|g| skew(vh.matmul(g)?)?.mul(&gaps(w)?)).transpose()?;
                match sum([of_values, of_vectors])? {
                    Some(middle) => one(product(&[v, &middle, &vh])?),
                    None => Ok(nothing()),
                }
            }
            Linalg::Svd { .. } => one(svd_vjp(ctx, grads)?),
            Linalg::Pinv { .. } => {
                let (a, p, gh) = (ctx.input(0)?, ctx.output(0)?, first()?.mh()?);
                let ph = p.mh()?;
                let through = product(&[&ph, &gh.mh()?, &ph])?;
                let rows = product(&[&gh, p, &ph])?;
                let columns = product(&[&ph, p, &gh])?;
                let rows = rows.sub(&product(&[a, p, &rows])?)?;
                let columns = columns.sub(&product(&[&columns, p, a])?)?;
                Ok(smallvec::smallvec![Some(rows.add(&columns)?.sub(&through)?), None, None])
            }
        }
    }

    fn jvp(&self, ctx: &Ctx<'_>, tangents: &[Option<Tensor>]) -> Result<Option<Grads>> {
        let count = ctx.output_metas.len();
        let Some(first) = tangents.iter().flatten().next() else { return Ok(Some(Grads::from_elem(None, count))) };
        let only = |t: Tensor| {
            let mut all = Grads::from_elem(None, count);
            all[0] = Some(t);
            Ok(Some(all))
        };
        let two = |a: Tensor, b: Tensor| Ok(Some(smallvec::smallvec![Some(a), Some(b)]));
        match self {
            Linalg::Cholesky { .. } => {
                let l = ctx.output(0)?;
                let x = solve_triangular(l, first, false, true, false)?;
                let x = solve_triangular(&l.mh()?, &x, true, false, false)?;
                only(l.matmul(&half_lower(&x)?)?)
            }
            Linalg::Triangular { .. } | Linalg::Solve { .. } => {
                let x = ctx.output(0)?;
                let part = |t: &Tensor| match self {
                    Linalg::Triangular { upper: of_upper, unit } => triangle(t, *of_upper, *unit),
                    _ => Ok(t.clone()),
                };
                let of_a = tangents[0].as_ref().map(|t| part(t)?.matmul(x)?.neg()).transpose()?;
                let Some(b) = sum([tangents[1].clone(), of_a])? else { return Ok(Some(Grads::from_elem(None, count))) };
                only(match self {
                    Linalg::Triangular { upper: of_upper, unit } => solve_triangular(ctx.input(0)?, &b, *of_upper, true, *unit)?,
                    _ => solve(ctx.input(0)?, &b)?,
                })
            }
            Linalg::Det => only(trace(&inverse(ctx.input(0)?)?.matmul(first)?)?.mul(ctx.output(0)?)?),
            Linalg::SlogDet => {
                let log = trace(&linalg::inv_ex(ctx.input(0)?)?.0.matmul(first)?)?;
                Ok(Some(smallvec::smallvec![None, Some(log)]))
            }
            Linalg::Lu { pivot } => only(lu_jvp(ctx, first, *pivot)?),
            Linalg::Qr { complete } => {
                no_complete_qr(*complete, ctx.input_meta(0).shape)?;
                let (q, r) = qr_jvp(ctx, first)?;
                two(q, r)
            }
            Linalg::Eigh => {
                let (w, v) = (ctx.output(0)?, ctx.output(1)?);
                let p = product(&[&v.mh()?, first, v])?;
                two(p.diagonal(0, -2, -1)?, v.matmul(&p.mul(&gaps(w)?)?)?)
            }
            Linalg::Svd { full } => svd_jvp(ctx, first, *full).map(Some),
            Linalg::Pinv { .. } => {
                let (a, p, th) = (ctx.input(0)?, ctx.output(0)?, first.mh()?);
                let ph = p.mh()?;
                let through = product(&[p, first, p])?;
                let left = product(&[p, &ph, &th])?;
                let right = product(&[&th, &ph, p])?;
                let left = left.sub(&product(&[&left, a, p])?)?;
                let right = right.sub(&product(&[p, a, &right])?)?;
                only(left.add(&right)?.sub(&through)?)
            }
        }
    }
}
