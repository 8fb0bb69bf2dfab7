//! What drawing random numbers means where one handle stands for many samples.

use std::cell::RefCell;

use rushlight_backend::Shape;
use rushlight_backend::op::{Random, Sample};
use rushlight_tensor::{Device, Error, Inputs, Reader, Result, Tensor, apply_draw, draws_reader, with_draws_read};
use smallvec::SmallVec;

use super::{Value, one_of};

/// What random numbers that are drawn inside of [`vmap`](crate::vmap) are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Randomness {
    /// An error.
    #[default]
    Error,
    /// The same for every sample: drawn once. They must not depend on a sample.
    Same,
    /// Others for every sample: drawn for all of them at once, along a first dimension.
    Different,
}

/// A `vmap` that is running.
#[derive(Clone, Copy)]
struct Frame {
    level: u32,
    samples: usize,
    randomness: Randomness,
    /// Who reads what is drawn one level further out.
    outer: Option<(u32, Reader)>,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// Runs the function of a `vmap` of this level.
pub(super) fn within<R>(level: u32, samples: usize, randomness: Randomness, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            FRAMES.with_borrow_mut(Vec::pop);
        }
    }
    FRAMES.with_borrow_mut(|frames| frames.push(Frame { level, samples, randomness, outer: draws_reader() }));
    let _leave = Leave;
    f()
}

/// What drawing means at a place, so that a function that was called there can be called again.
pub(crate) struct Draws {
    frames: Vec<Frame>,
    reader: Option<(u32, Reader)>,
}

impl Draws {
    /// As it is now.
    pub(crate) fn here() -> Draws {
        Draws { frames: FRAMES.with_borrow(Vec::clone), reader: draws_reader() }
    }

    /// Runs `f` as if it were called there.
    pub(crate) fn again<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(Vec<Frame>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FRAMES.set(std::mem::take(&mut self.0));
            }
        }
        let _restore = Restore(FRAMES.replace(self.frames.clone()));
        with_draws_read(self.reader, f)
    }
}

/// Draws at a level.
pub(super) fn run(level: u32, op: &Random, values: &[Value]) -> Result<Tensor> {
    let found = FRAMES.with_borrow(|frames| frames.iter().rev().find(|f| f.level == level).map(|f| (f.samples, f.randomness, f.outer)));
    let (n, randomness, outer) = found.ok_or_else(|| Error::value("vmap", "random numbers of samples were drawn outside of it"))?;
    let name = rushlight_backend::Op::from(op.clone()).name();
    let depends = values.iter().any(|v| matches!(v, Value::Samples(_)));
    with_draws_read(outer, || match randomness {
        Randomness::Error => Err(Error::value(
            name,
            "random numbers are drawn inside of vmap: `vmap_with` takes `Randomness::Same` or `Randomness::Different`, as it is meant",
        )),
        Randomness::Same if depends => {
            Err(Error::value(name, "what is drawn depends on a sample, and cannot be the same for all of them (`Randomness::Same`)"))
        }
        Randomness::Same => {
            let inputs: SmallVec<[Tensor; 1]> = values.iter().map(|v| v.samples(1)?.select(0, 0)).collect::<Result<_>>()?;
            draw(op.clone(), inputs)
        }
        Randomness::Different => one_of(level, different(op, values, n)?),
    })
}

fn draw(op: Random, inputs: SmallVec<[Tensor; 1]>) -> Result<Tensor> {
    let device = inputs.first().map_or_else(Device::cpu, Tensor::device);
    apply_draw(device, op, inputs.into_iter().map(Into::into).collect::<Inputs<'_>>())
}

/// Other numbers for each of `n` samples, along dimension 0.
fn different(op: &Random, values: &[Value], n: usize) -> Result<Tensor> {
    let wide = |shape: &[usize]| std::iter::once(n).chain(shape.iter().copied()).collect::<Shape>();
    match op.sample {
        Sample::Permutation => {
            if n == 0 {
                return Tensor::zeros(wide(&op.shape).as_slice(), (op.dtype, Device::cpu()));
            }
            let each = (0..n).map(|_| draw(op.clone(), SmallVec::new())).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&each, 0)
        }
        Sample::Multinomial { .. } => {
            let weights = values[0].samples(n)?;
            let shape = weights.shape().to_vec();
            let (front, row) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
            let rows = weights.reshape([front.iter().product(), row])?;
            let places = draw(op.clone(), smallvec::smallvec![rows])?;
            places.reshape([front, &places.shape()[1..]].concat())
        }
        _ => {
            let inputs = values.iter().map(|v| v.samples(n)).collect::<Result<SmallVec<[Tensor; 1]>>>()?;
            draw(Random { shape: wide(&op.shape), ..op.clone() }, inputs)
        }
    }
}
