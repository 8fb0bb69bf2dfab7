//! Fourier transforms: plans and butterflies are rustfft's and realfft's; here lines are gathered, transformed and put in place.

use num_complex::Complex;
use rushlight_backend::op::Fft;
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Meta, Result, Storage};
use rushlight_backend_cpu_fft::Planned;

use crate::buffer::{CpuBuffer, Plain, alloc, cpu, typed, typed_mut};
use crate::shape::contiguous;
use crate::threads::par_chunks;
use crate::walk::Shared;

/// Points transformed by one task.
const GRAIN: usize = 1 << 14;

/// A real type with plans.
trait Real: Planned + Plain + num_complex::ComplexFloat<Real = Self> {
    fn of(scale: f64) -> Self;
}

impl Real for f32 {
    fn of(scale: f64) -> f32 {
        scale as f32
    }
}

impl Real for f64 {
    fn of(scale: f64) -> f64 {
        scale
    }
}

pub(crate) fn run(op: &Fft, x: &Arg<'_>, out: &Meta) -> Result<Storage> {
    match x.dtype() {
        DType::F32 | DType::C64 => run_in::<f32, Complex32>(op, x, out),
        DType::F64 | DType::C128 => run_in::<f64, Complex64>(op, x, out),
        other => Err(Error::unsupported("fft", format!("the CPU has no kernel for {other}"))),
    }
}

fn run_in<R: Real, C: Plain>(op: &Fft, x: &Arg<'_>, out: &Meta) -> Result<Storage>
where
    Complex<R>: Plain,
{
    let source = contiguous(x)?;
    let shape = x.shape();
    match op {
        Fft::Complex { dims, inverse, scale } => {
            let mut now = source;
            for (i, &d) in dims.iter().enumerate() {
                let scale = R::of(if i == 0 { *scale } else { 1.0 });
                let mut buffer = alloc::<Complex<R>>(&out.shape)?;
                complex::<R>(typed(cpu(&now)?.as_bytes()), &mut buffer, shape, d, *inverse, scale);
                now = Storage::new(buffer);
            }
            Ok(now)
        }
        Fft::FromReal { dim, inverse, scale } => {
            let mut buffer = alloc::<Complex<R>>(&out.shape)?;
            from_real::<R>(typed(cpu(&source)?.as_bytes()), &mut buffer, shape, *dim, *inverse, R::of(*scale));
            Ok(Storage::new(buffer))
        }
        Fft::ToReal { dim, n, inverse, scale } => {
            let mut buffer = alloc::<R>(&out.shape)?;
            to_real::<R>(typed(cpu(&source)?.as_bytes()), &mut buffer, &out.shape, *dim, *n, *inverse, R::of(*scale));
            Ok(Storage::new(buffer))
        }
    }
}

fn complex<R: Real>(x: &[Complex<R>], out: &mut CpuBuffer, shape: &[usize], dim: usize, inverse: bool, scale: R)
where
    Complex<R>: Plain,
{
    let n = shape[dim];
    let plan = R::complex(n, inverse);
    along(x, typed_mut(out), (n, n), shape, dim, || {
        let plan = plan.clone();
        let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
        move |from: &mut [Complex<R>], to: &mut [Complex<R>]| {
            to.copy_from_slice(from);
            plan.process_with_scratch(to, &mut scratch);
            to.iter_mut().for_each(|y| *y = y.scale(scale));
        }
    });
}

fn from_real<R: Real>(x: &[R], out: &mut CpuBuffer, shape: &[usize], dim: usize, inverse: bool, scale: R)
where
    Complex<R>: Plain,
{
    let n = shape[dim];
    let plan = R::from_real(n);
    along(x, typed_mut(out), (n, n / 2 + 1), shape, dim, || {
        let plan = plan.clone();
        let mut scratch = plan.make_scratch_vec();
        move |from: &mut [R], to: &mut [Complex<R>]| {
            // It only fails on slices of other lengths.
            let done = plan.process_with_scratch(from, to, &mut scratch);
            assert!(done.is_ok(), "rfft: the lengths of a line");
            to.iter_mut().for_each(|y| *y = if inverse { y.conj() } else { *y }.scale(scale));
        }
    });
}

fn to_real<R: Real>(x: &[Complex<R>], out: &mut CpuBuffer, out_shape: &[usize], dim: usize, n: usize, inverse: bool, scale: R)
where
    Complex<R>: Plain,
{
    let plan = R::to_real(n);
    along(x, typed_mut(out), (n / 2 + 1, n), out_shape, dim, || {
        let plan = plan.clone();
        let mut scratch = plan.make_scratch_vec();
        move |from: &mut [Complex<R>], to: &mut [R]| {
            if !inverse {
                from.iter_mut().for_each(|x| *x = x.conj());
            }
            // Imaginary parts that would make the result complex do not count.
            from[0].im = R::zero();
            if n.is_multiple_of(2) {
                from[n / 2].im = R::zero();
            }
            let done = plan.process_with_scratch(from, to, &mut scratch);
            assert!(done.is_ok(), "irfft: the lengths of a line");
            to.iter_mut().for_each(|y| *y = *y * scale);
        }
    });
}

/// Transforms every line along a dimension of row-major `x` to that of `out`; `lens` are the lengths of a line before and after, and the
/// other sizes are those of `shape`. Each task makes its own transform, with memory to work in.
fn along<A: Plain, B: Plain, F: FnMut(&mut [A], &mut [B])>(
    x: &[A],
    out: &mut [B],
    lens: (usize, usize),
    shape: &[usize],
    dim: usize,
    make: impl Fn() -> F + Sync,
) {
    let (n, m) = lens;
    let inner: usize = shape[dim + 1..].iter().product();
    let outer: usize = shape[..dim].iter().product();
    assert!(x.len() >= outer * n * inner && out.len() >= outer * m * inner, "fft: sizes");
    let place = Shared(out.as_mut_ptr());
    par_chunks(outer * inner, (GRAIN / n.max(m)).max(1), |lines| {
        let place = &place;
        let mut transform = make();
        let (mut from, mut to) = (vec![A::default(); n], vec![B::default(); m]);
        for line in lines {
            let (o, c) = (line / inner, line % inner);
            let source = &x[o * n * inner + c..];
            if inner == 1 {
                from.copy_from_slice(&source[..n]);
            } else {
                from.iter_mut().zip(source.iter().step_by(inner)).for_each(|(f, &s)| *f = s);
            }
            transform(&mut from, &mut to);
            let first = o * m * inner + c;
            for (k, &y) in to.iter().enumerate() {
                // SAFETY: inside of the output, as the assertion above says, and each line has places of its own.
                unsafe { place.0.add(first + k * inner).write(y) };
            }
        }
    });
}
