//! Making one batch of many items.

use rushlight_tensor::{Device, Element, Result, Tensor};

/// An item of which many make a batch.
pub trait Collate: Sized {
    /// What many items become: tensors get one more dimension in front, numbers become a vector, tuples go part by part.
    type Batch: Send;
    /// Makes the batch.
    ///
    /// # Errors
    /// If items do not fit together.
    fn collate(items: Vec<Self>) -> Result<Self::Batch>;
}

impl Collate for Tensor {
    type Batch = Tensor;
    fn collate(items: Vec<Self>) -> Result<Tensor> {
        Tensor::stack(&items, 0)
    }
}

/// Tensors side by side, as a [`TensorDataset`](crate::TensorDataset) has them.
impl Collate for Vec<Tensor> {
    type Batch = Vec<Tensor>;
    fn collate(items: Vec<Self>) -> Result<Vec<Tensor>> {
        let columns = items.first().map_or(0, Vec::len);
        (0..columns)
            .map(|c| {
                let column: Vec<&Tensor> = items.iter().filter_map(|row| row.get(c)).collect();
                Tensor::stack(&column, 0)
            })
            .collect()
    }
}

fn vector<T: Element>(items: Vec<T>) -> Result<Tensor> {
    let n = items.len();
    Tensor::from_vec(items, n, Device::cpu())
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Collate for $t {
            type Batch = Tensor;
            fn collate(items: Vec<Self>) -> Result<Tensor> { vector(items) }
        }
    )*};
}
numbers!(bool, u8, i32, i64, f32, f64);

impl Collate for usize {
    type Batch = Tensor;
    fn collate(items: Vec<Self>) -> Result<Tensor> {
        vector(items.into_iter().map(|n| n as i64).collect())
    }
}

impl<A: Collate, B: Collate> Collate for (A, B) {
    type Batch = (A::Batch, B::Batch);
    fn collate(items: Vec<Self>) -> Result<Self::Batch> {
        let (a, b): (Vec<A>, Vec<B>) = items.into_iter().unzip();
        Ok((A::collate(a)?, B::collate(b)?))
    }
}

impl<A: Collate, B: Collate, C: Collate> Collate for (A, B, C) {
    type Batch = (A::Batch, B::Batch, C::Batch);
    fn collate(items: Vec<Self>) -> Result<Self::Batch> {
        let (a, rest): (Vec<A>, Vec<(B, C)>) = items.into_iter().map(|(a, b, c)| (a, (b, c))).unzip();
        let (b, c) = <(B, C)>::collate(rest)?;
        Ok((A::collate(a)?, b, c))
    }
}
