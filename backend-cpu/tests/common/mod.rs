//! What the tests of kernels share: operands in any layout, and running an operation on them.
#![allow(dead_code)] // not every test file uses all of it

use proptest::prelude::*;
use rushlight_backend::{Arg, Backend, DType, Element, Layout, MetaRef, Op, Result, Shape, Storage, Strides};
use rushlight_backend_cpu::CPU;

/// So many random cases; a few where an interpreter runs them (`cargo xtask miri`).
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 4 } else { cases }, failure_persistence: None, ..ProptestConfig::default() }
}

/// A size, or at most 20 where an interpreter runs.
pub(crate) fn up_to(n: usize) -> usize {
    if cfg!(miri) { n.min(20) } else { n }
}

/// A tensor: memory and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct Operand<T> {
    pub(crate) memory: Vec<T>,
    pub(crate) layout: Layout,
}

impl<T: Element> Operand<T> {
    pub(crate) fn contiguous(shape: &[usize], memory: Vec<T>) -> Operand<T> {
        assert_eq!(shape.iter().product::<usize>(), memory.len());
        Operand { memory, layout: Layout::contiguous(shape) }
    }

    /// The element at coordinates of a result to whose shape this operand broadcasts.
    pub(crate) fn at(&self, coords: &[usize]) -> T {
        let lead = coords.len() - self.layout.rank();
        let mut place = self.layout.offset() as isize;
        for (d, (&n, &s)) in self.layout.shape().iter().zip(self.layout.strides()).enumerate() {
            place += if n == 1 { 0 } else { coords[lead + d] as isize * s };
        }
        self.memory[place as usize]
    }

    pub(crate) fn storage(&self) -> Storage {
        let backend: &dyn Backend = &CPU;
        backend.upload_elements(&self.memory).unwrap()
    }
}

/// The coordinates of all elements of a shape, in order.
pub(crate) fn coordinates(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = all.into_iter().flat_map(|c| (0..n).map(move |i| [c.as_slice(), &[i]].concat())).collect();
    }
    all
}

/// An input: memory, layout, dtype, and whether it is given away.
pub(crate) type Input<'a> = (Storage, &'a Layout, DType, bool);

/// Runs an operation with one result after its shape rule.
pub(crate) fn run<R: Element>(op: impl Into<Op>, inputs: Vec<Input<'_>>) -> Result<(Shape, Vec<R>)> {
    let op = op.into();
    let metas: Vec<MetaRef<'_>> = inputs.iter().map(|i| MetaRef { shape: i.1.shape(), dtype: i.2 }).collect();
    let outputs = op.infer(&metas)?;
    let kept: Vec<Storage> = inputs.iter().filter(|i| !i.3).map(|i| i.0.clone()).collect();
    let mut kept = kept.iter();
    let mut given: Vec<_> = inputs.into_iter().map(|(s, l, d, give)| (give.then_some(s), l, d)).collect();
    let mut args: Vec<Arg<'_>> = given
        .iter_mut()
        .map(|(s, l, d)| match s.is_some() {
            true => Arg::owned(s, l, *d),
            false => Arg::borrowed(kept.next().unwrap(), l, *d),
        })
        .collect();
    let storages = CPU.run(&op, &mut args, &outputs)?.expect("the backend takes it");
    assert_eq!(outputs[0].dtype, R::DTYPE);
    let mut bytes = vec![0; outputs[0].numel() * R::DTYPE.size()];
    CPU.download(&storages[0], 0, &mut bytes)?;
    Ok((outputs[0].shape.clone(), R::from_bytes(&bytes)?))
}

/// Runs an operation of one input with two results: their shape, the values, and the places of the second.
pub(crate) fn run_two<T: Element>(op: impl Into<Op>, x: &Operand<T>) -> (Shape, Vec<T>, Vec<i64>) {
    let op = op.into();
    let metas = op.infer(&[MetaRef { shape: x.layout.shape(), dtype: T::DTYPE }]).unwrap();
    let storage = x.storage();
    let results = CPU.run(&op, &mut [Arg::borrowed(&storage, &x.layout, T::DTYPE)], &metas).unwrap().expect("the backend takes it");
    let (mut values, mut places) = (vec![0; metas[0].numel() * T::DTYPE.size()], vec![0; metas[1].numel() * 8]);
    CPU.download(&results[0], 0, &mut values).unwrap();
    CPU.download(&results[1], 0, &mut places).unwrap();
    (metas[0].shape.clone(), T::from_bytes(&values).unwrap(), i64::from_bytes(&places).unwrap())
}

/// A layout in memory that holds `shape`: dimensions stored in any order, with steps of 1, 2 or -1, some repeated (stride 0) or, if
/// `broadcast`, of size 1.
pub(crate) fn layouts(shape: Vec<usize>, broadcast: bool) -> impl Strategy<Value = (Layout, usize)> {
    let rank = shape.len();
    let order = Just((0..rank).collect::<Vec<_>>()).prop_shuffle();
    let kinds = proptest::collection::vec(0..10u8, rank);
    (order, kinds, 0..3usize, any::<bool>()).prop_map(move |(order, kinds, gap, plain)| {
        if plain {
            return (Layout::contiguous(&shape), shape.iter().product());
        }
        let mut shape = shape.clone();
        let mut strides: Strides = Strides::from_elem(0, rank);
        let (mut step, mut offset) = (1usize, gap);
        for &d in &order {
            match kinds[d] {
                0 if broadcast => shape[d] = 1,
                1 => {}
                2 => {
                    strides[d] = -(step as isize);
                    offset += shape[d].saturating_sub(1) * step;
                    step *= shape[d].max(1);
                }
                3 => {
                    strides[d] = 2 * step as isize;
                    step *= 2 * shape[d].max(1);
                }
                _ => {
                    strides[d] = step as isize;
                    step *= shape[d].max(1);
                }
            }
        }
        (Layout::new(Shape::from_slice(&shape), strides, offset), step + gap)
    })
}

/// Shapes with few or many elements, some empty, some 0-d.
pub(crate) fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        8 => proptest::collection::vec(1..6usize, 0..5),
        1 => proptest::collection::vec(0..3usize, 0..4),
        2 => (1..4usize, 40.min(up_to(1200) - 1)..up_to(1200)).prop_map(|(a, b)| vec![a, b]),
        1 => (40.min(up_to(300) - 1)..up_to(300), 1..5usize, 1..up_to(70)).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

/// An operand that broadcasts to (or has) a shape, with elements from a function of a running number.
pub(crate) fn operands<T: Element>(
    shape: Vec<usize>,
    broadcast: bool,
    element: impl Fn(u64) -> T + Clone + 'static,
) -> impl Strategy<Value = Operand<T>> {
    (layouts(shape, broadcast), any::<u64>()).prop_map(move |((layout, size), seed)| {
        let memory = (0..size as u64).map(|i| element(mix(seed ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).collect();
        Operand { memory, layout }
    })
}

/// A well-mixed number (splitmix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
