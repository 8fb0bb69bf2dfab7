//! Matrix products.

use std::ops::{Add, Mul};

use rushlight_backend::op::Matmul;
use rushlight_backend::{Arg, Complex32, Complex64, DType, Error, Layout, Meta, Result, Storage, bf16, f16, numel};

use crate::buffer::{Plain, alloc, input, typed_mut};
use crate::gemm::{Bias, Number, Output, Strided, batched};
use crate::shape;
use smallvec::SmallVec;

pub(crate) fn run(op: &Matmul, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    let x = inputs[0].layout();
    if *op == Matmul::Linear && x.reshape(&rows_of(x)).is_none() {
        // Rows that do not lie at one step are copied first: row by row the weight would be read once for each.
        let (copy, layout) = (shape::contiguous(&inputs[0])?, Layout::contiguous(x.shape()));
        let mut args: SmallVec<[Arg<'_>; 3]> = smallvec::smallvec![Arg::borrowed(&copy, &layout, inputs[0].dtype())];
        for arg in &inputs[1..] {
            args.push(Arg::borrowed(arg.storage()?, arg.layout(), arg.dtype()));
        }
        return product(op, &args, out);
    }
    product(op, inputs, out)
}

/// The shape of x`[.., k]` as a matrix of rows.
fn rows_of(x: &Layout) -> [usize; 2] {
    let (&k, lead) = x.shape().split_last().unwrap_or((&1, &[]));
    [numel(lead), k]
}

fn product(op: &Matmul, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    match out.dtype {
        DType::F32 => number::<f32>(op, inputs, out),
        DType::F64 => number::<f64>(op, inputs, out),
        DType::F16 => half::<f16>(op, inputs, out, f16::to_f32, f16::from_f32),
        DType::BF16 => half::<bf16>(op, inputs, out, bf16::to_f32, bf16::from_f32),
        DType::U8 => number::<u8>(op, inputs, out),
        DType::I8 => number::<i8>(op, inputs, out),
        DType::I16 => number::<i16>(op, inputs, out),
        DType::I32 => number::<i32>(op, inputs, out),
        DType::I64 => number::<i64>(op, inputs, out),
        DType::C64 => plain::<Complex32>(op, inputs, out, Complex32::add, Complex32::mul),
        DType::C128 => plain::<Complex64>(op, inputs, out, Complex64::add, Complex64::mul),
        DType::Bool => Err(Error::unsupported("matmul", "bool is not supported on the CPU")),
    }
}

/// A product as a batch of matrix products: sizes, and for each batch where its factors start.
struct Plan {
    m: usize,
    n: usize,
    k: usize,
    /// Steps of A from row to row and along k, of B from column to column and along k.
    a: (isize, isize),
    b: (isize, isize),
    /// The first elements of A and B in each batch.
    starts: Vec<(usize, usize)>,
}

fn plan(op: &Matmul, inputs: &[Arg<'_>], out: &Meta) -> Plan {
    let (a, b) = (inputs[0].layout(), inputs[1].layout());
    match op {
        Matmul::Linear => {
            // x[.., in] as a matrix of rows; weight[out, in] has a column of B in each row.
            let [m, k] = rows_of(a);
            let x = a.reshape(&[m, k]).unwrap_or_else(|| a.clone());
            let (n, b_steps) = (b.shape()[0], (b.strides()[0], b.strides()[1]));
            Plan { m, n, k, a: (x.strides()[0], x.strides()[1]), b: b_steps, starts: vec![(x.offset(), b.offset())] }
        }
        Matmul::Product => {
            let (ra, rb) = (a.rank(), b.rank());
            let (m, k, n) = (a.shape()[ra - 2], a.shape()[ra - 1], b.shape()[rb - 1]);
            let (sa, sb) = (a.strides(), b.strides());
            let steps = ((sa[ra - 2], sa[ra - 1]), (sb[rb - 1], sb[rb - 2]));
            // A batch of matrices times one matrix is one product of all their rows.
            if rb == 2
                && let Some(rows) = a.reshape(&[numel(&a.shape()[..ra - 1]), k])
            {
                let steps_a = (rows.strides()[0], rows.strides()[1]);
                return Plan { m: rows.shape()[0], n, k, a: steps_a, b: steps.1, starts: vec![(rows.offset(), b.offset())] };
            }
            let batch = &out.shape[..out.shape.len() - 2];
            let of = |x: &Layout| {
                let lead = Layout::new(x.shape()[..x.rank() - 2].into(), x.strides()[..x.rank() - 2].into(), x.offset()).expand(batch);
                offsets(batch, lead.strides(), x.offset())
            };
            Plan { m, n, k, a: steps.0, b: steps.1, starts: of(a).into_iter().zip(of(b)).collect() }
        }
    }
}

/// The places of all elements of a strided shape, in row-major order.
fn offsets(shape: &[usize], strides: &[isize], start: usize) -> Vec<usize> {
    let mut places = vec![start as isize];
    for (&n, &step) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|&p| (0..n as isize).map(move |i| p + i * step)).collect();
    }
    if shape.contains(&0) { Vec::new() } else { places.into_iter().map(|p| p as usize).collect() }
}

/// The bias of a linear layer in row-major order.
fn bias<T: Plain>(inputs: &[Arg<'_>]) -> Result<Option<Vec<T>>> {
    let Some(arg) = inputs.get(2) else { return Ok(None) };
    let (data, layout) = (input::<T>(arg)?, arg.layout());
    Ok(Some(offsets(layout.shape(), layout.strides(), layout.offset()).into_iter().map(|p| data[p]).collect()))
}

fn number<T: Number>(op: &Matmul, inputs: &[Arg<'_>], out: &Meta) -> Result<Storage> {
    let plan = plan(op, inputs, out);
    let (a, b, bias) = (input::<T>(&inputs[0])?, input::<T>(&inputs[1])?, bias::<T>(inputs)?);
    let mut buffer = alloc::<T>(&out.shape)?;
    multiply(&plan, a, b, bias.as_deref(), typed_mut(&mut buffer))?;
    Ok(Storage::new(buffer))
}

/// All products of a plan into contiguous results, one after the other.
fn multiply<T: Number>(plan: &Plan, a: &[T], b: &[T], bias: Option<&[T]>, out: &mut [T]) -> Result<()> {
    let (m, n, k) = (plan.m, plan.n, plan.k);
    if m * n == 0 {
        return Ok(());
    }
    assert_eq!(out.len(), plan.starts.len() * m * n, "matmul: the output's size");
    let a = Strided { data: a, start: 0, line_step: plan.a.0, k_step: plan.a.1 };
    let b = Strided { data: b, start: 0, line_step: plan.b.0, k_step: plan.b.1 };
    let bias = bias.map_or(Bias::None, Bias::Columns);
    let out = Output { data: out.as_mut_ptr(), strides: (n as isize, 1), accumulate: false, bias, relu: false };
    let starts = |i: usize| (plan.starts[i].0, plan.starts[i].1, (i * m * n) as isize);
    // SAFETY: product i has elements i * m * n up to (i + 1) * m * n of the slice for itself.
    unsafe { batched(plan.starts.len(), m, n, k, a, b, out, starts) }
}

/// Half precision: products and sums in f32, rounded once at the end.
fn half<T: Plain>(op: &Matmul, inputs: &[Arg<'_>], out: &Meta, widen: fn(T) -> f32, narrow: fn(f32) -> T) -> Result<Storage> {
    let plan = plan(op, inputs, out);
    let wide = |arg: &Arg<'_>| Ok::<_, Error>(input::<T>(arg)?.iter().map(|&x| widen(x)).collect::<Vec<f32>>());
    let (a, b) = (wide(&inputs[0])?, wide(&inputs[1])?);
    let bias = bias::<T>(inputs)?.map(|b| b.into_iter().map(widen).collect::<Vec<f32>>());
    let mut sums = vec![0.0f32; out.numel()];
    multiply(&plan, &a, &b, bias.as_deref(), &mut sums)?;
    let mut buffer = alloc::<T>(&out.shape)?;
    typed_mut::<T>(&mut buffer).iter_mut().zip(sums).for_each(|(o, s)| *o = narrow(s));
    Ok(Storage::new(buffer))
}

/// What complex products need of their numbers.
#[cfg(feature = "blas")]
trait Complex: Plain + crate::gemm::blas::Element {}
#[cfg(not(feature = "blas"))]
trait Complex: Plain {}
impl Complex for Complex32 {}
impl Complex for Complex64 {}

/// A complex product by the library, into contiguous rows; no if it cannot read the factors.
#[cfg(feature = "blas")]
fn library<T: Complex>(plan: &Plan, a: (&[T], usize), b: (&[T], usize), bias: Option<&[T]>, out: &mut [T]) -> bool {
    let a = Strided { data: a.0, start: a.1, line_step: plan.a.0, k_step: plan.a.1 };
    let b = Strided { data: b.0, start: b.1, line_step: plan.b.0, k_step: plan.b.1 };
    let Some(product) = crate::gemm::blas::Product::new(plan.m, plan.n, plan.k, a, b) else { return false };
    if let Some(bias) = bias {
        out.chunks_exact_mut(plan.n).for_each(|row| row.copy_from_slice(bias));
    }
    assert_eq!(out.len(), plan.m * plan.n, "matmul: the output's size");
    // SAFETY: the slice holds the output, initialised.
    unsafe { product.run(out.as_mut_ptr(), plan.n, bias.is_some()) }
}

/// Complex numbers: rows of B are scaled and added, which the compiler vectorises.
fn plain<T: Complex>(op: &Matmul, inputs: &[Arg<'_>], out: &Meta, add: fn(T, T) -> T, mul: fn(T, T) -> T) -> Result<Storage> {
    let plan = plan(op, inputs, out);
    let (a, b, bias) = (input::<T>(&inputs[0])?, input::<T>(&inputs[1])?, bias::<T>(inputs)?);
    let mut buffer = alloc::<T>(&out.shape)?;
    let size = plan.m * plan.n;
    if size > 0 {
        for (out, &(start_a, start_b)) in typed_mut::<T>(&mut buffer).chunks_exact_mut(size).zip(&plan.starts) {
            #[cfg(feature = "blas")]
            if library(&plan, (a, start_a), (b, start_b), bias.as_deref(), out) {
                continue;
            }
            let at = |start: usize, steps: (isize, isize), line: usize, k: usize| {
                (start as isize + line as isize * steps.0 + k as isize * steps.1) as usize
            };
            for (i, row) in out.chunks_exact_mut(plan.n).enumerate() {
                match &bias {
                    Some(bias) => row.copy_from_slice(bias),
                    None => row.fill(T::default()),
                }
                for k in 0..plan.k {
                    let x = a[at(start_a, plan.a, i, k)];
                    for (j, sum) in row.iter_mut().enumerate() {
                        *sum = add(*sum, mul(x, b[at(start_b, plan.b, j, k)]));
                    }
                }
            }
        }
    }
    Ok(Storage::new(buffer))
}
