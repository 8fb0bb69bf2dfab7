//! Sums, means and maxima of bags of rows of a table.

use rushlight_backend::{DType, Error, Result};

use super::norm::vector::unseen;
use crate::{Device, Tensor};

/// How the rows of a bag become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum.
    Sum,
    /// Their mean, PyTorch's default.
    #[default]
    Mean,
    /// The largest elements; of equal ones the first has the gradient.
    Max,
}

/// The parameters of [`Tensor::embedding_bag`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingBag<'a> {
    /// Where bags begin in a vector of indices. Without, the indices are a matrix of bags.
    pub offsets: Option<&'a Tensor>,
    /// How the rows of a bag become one. Empty bags are zero.
    pub mode: BagMode,
    /// Factors of the rows, in the shape of the indices; for sums.
    pub per_sample_weights: Option<&'a Tensor>,
    /// Whether the last offset is the end of the last bag.
    pub include_last_offset: bool,
    /// An index whose rows are passed over; negative numbers count from the end.
    pub padding_idx: Option<isize>,
    /// Whether gradients of rows are divided by how often their index occurs.
    pub scale_grad_by_freq: bool,
}

/// Indices of any integer type on the host.
fn on_host(op: &'static str, t: &Tensor, what: &str) -> Result<Vec<i64>> {
    if !matches!(t.dtype(), DType::I64 | DType::I32) {
        return Err(Error::dtype(op, format!("{what} must be int64 or int32, got {}", t.dtype())));
    }
    t.to_dtype(DType::I64)?.to_vec::<i64>()
}

fn vector(values: Vec<i64>, device: Device) -> Result<Tensor> {
    let len = values.len();
    Tensor::from_vec(values, len, device)
}

impl Tensor {
    /// This table with the rows that indices name scaled down to the norm `max_norm` where theirs is larger. (PyTorch's `embedding` changes its table so.)
    /// Derivatives do not see the scaling: they are those of this table.
    ///
    /// # Errors
    /// If the table is not a floating-point matrix, or an index is out of range.
    pub fn embedding_renorm(&self, indices: &Tensor, max_norm: f64, norm_type: f64) -> Result<Tensor> {
        let table = self.detach();
        let mut used = on_host("embedding_renorm", indices, "indices")?;
        used.sort_unstable();
        used.dedup();
        let used = vector(used, self.device())?;
        let rows = table.index_select(0, &used)?;
        let norms = rows.vector_norm(norm_type, -1, true)?;
        let scaled = norms.gt(max_norm)?.where_(&rows.mul(&norms.add(1e-7)?.reciprocal()?.mul(max_norm)?)?, &rows)?;
        let changed = table.scatter(0, &used.unsqueeze(1)?.expand(rows.shape())?, &scaled)?;
        if self.trace().is_some() { unseen(self, &changed) } else { Ok(changed) }
    }

    /// For each bag of indices the sum, mean or maximum of the rows of this table `[rows, features]` that it names: `[bags, features]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, an index is out of range, or a parameter does not go with the mode.
    pub fn embedding_bag(&self, indices: &Tensor, with: EmbeddingBag<'_>) -> Result<Tensor> {
        let op = "embedding_bag";
        if self.dim() != 2 || !self.dtype().is_float() {
            return Err(Error::shape(op, format!("the table must be a floating-point matrix, got {} {:?}", self.dtype(), self.shape())));
        }
        let (table_rows, features) = (self.shape()[0], self.shape()[1]);
        let (all, device) = (on_host(op, indices, "indices")?, self.device());
        let ends = bag_ends(indices, all.len(), &with)?;
        let bags = ends.len();
        if let Some(w) = with.per_sample_weights {
            if with.mode != BagMode::Sum {
                return Err(Error::value(op, "per_sample_weights are for the mode sum"));
            }
            if w.shape() != indices.shape() || w.dtype() != self.dtype() {
                return Err(Error::shape(
                    op,
                    format!(
                        "per_sample_weights {} {:?} do not fit indices {:?} of a table of {}",
                        w.dtype(),
                        w.shape(),
                        indices.shape(),
                        self.dtype()
                    ),
                ));
            }
        }
        if with.scale_grad_by_freq && with.mode == BagMode::Max {
            return Err(Error::value(op, "scale_grad_by_freq does not go with the mode max"));
        }
        let padding = match with.padding_idx {
            None => None,
            Some(p) => {
                let at = if p < 0 { p + table_rows as isize } else { p };
                if at < 0 || at >= table_rows as isize {
                    return Err(Error::index(op, format!("padding_idx {p} is out of range for {table_rows} rows")));
                }
                Some(at as i64)
            }
        };
        if let Some(i) = all.iter().find(|&&i| i < 0 || i >= table_rows as i64) {
            return Err(Error::index(op, format!("index {i} is out of range for {table_rows} rows")));
        }
        // What is kept: its place, its index, its bag.
        let (mut places, mut kept, mut bag_of) = (Vec::new(), Vec::new(), Vec::new());
        let mut sizes = vec![0usize; bags];
        let mut bag = 0;
        for (place, &index) in all.iter().enumerate() {
            while bag < bags && place >= ends[bag] {
                bag += 1;
            }
            if bag == bags {
                break;
            }
            if Some(index) != padding {
                places.push(place as i64);
                kept.push(index);
                bag_of.push(bag as i64);
                sizes[bag] += 1;
            }
        }
        let mut rows = self.index_select(0, &vector(kept, device)?)?;
        if with.scale_grad_by_freq {
            let mut counts = vec![0.0; table_rows];
            all.iter().for_each(|&i| counts[i as usize] += 1.0);
            let shares: Vec<f64> = places.iter().map(|&p| 1.0 / counts[all[p as usize] as usize]).collect();
            let shares = Tensor::from_vec(shares, [places.len(), 1], device)?.to_dtype(self.dtype())?;
            rows = unseen(&rows.mul(&shares)?, &rows)?;
        }
        if let Some(w) = with.per_sample_weights {
            rows = rows.mul(&w.reshape(-1)?.index_select(0, &vector(places, device)?)?.unsqueeze(1)?)?;
        }
        if with.mode == BagMode::Max {
            return maxima(&rows, &sizes);
        }
        // Half precision is added up in single; with a padding index it is not, as in PyTorch.
        let wide = match self.dtype() {
            DType::F16 | DType::BF16 if padding.is_none() => DType::F32,
            dtype => dtype,
        };
        let zeros = Tensor::zeros([bags, features], (wide, device))?;
        let sums = zeros.index_add(0, &vector(bag_of, device)?, &rows.to_dtype(wide)?)?;
        let sums = if with.mode == BagMode::Mean {
            let sizes: Vec<f64> = sizes.iter().map(|&n| n.max(1) as f64).collect();
            sums.div(&Tensor::from_vec(sizes, [bags, 1], device)?.to_dtype(sums.dtype())?)?
        } else {
            sums
        };
        sums.to_dtype(self.dtype())
    }
}

/// Where each bag ends.
fn bag_ends(indices: &Tensor, len: usize, with: &EmbeddingBag<'_>) -> Result<Vec<usize>> {
    let op = "embedding_bag";
    match (indices.shape(), with.offsets) {
        (&[bags, each], None) => Ok((1..=bags).map(|b| b * each).collect()),
        (&[_], Some(offsets)) => {
            let starts = on_host(op, offsets, "offsets")?;
            let ordered = starts.windows(2).all(|w| w[0] <= w[1]) && starts.iter().all(|&s| s >= 0 && s <= len as i64);
            if offsets.dim() != 1 || !ordered || starts.first().is_some_and(|&s| s != 0) {
                return Err(Error::value(
                    op,
                    format!("offsets must be a vector that begins with 0, in order, up to {len}, got {starts:?}"),
                ));
            }
            if with.include_last_offset && starts.is_empty() {
                return Err(Error::value(op, "the last offset is wanted, there is none"));
            }
            let mut ends: Vec<usize> = starts.iter().skip(1).map(|&s| s as usize).collect();
            if !with.include_last_offset && !starts.is_empty() {
                ends.push(len);
            }
            Ok(ends)
        }
        (shape, _) => Err(Error::shape(op, format!("wants a matrix of indices, or a vector with offsets, got {shape:?}"))),
    }
}

/// The largest elements of runs of rows; of empty runs zeros.
fn maxima(rows: &Tensor, sizes: &[usize]) -> Result<Tensor> {
    let (count, features, device) = (rows.shape()[0], rows.shape()[1], rows.device());
    let longest = sizes.iter().copied().max().unwrap_or(0);
    if longest == 0 {
        return Tensor::zeros([sizes.len(), features], (rows.dtype(), device));
    }
    // Short runs are filled up with a row that is less than any.
    let least = Tensor::full([1, features], f64::NEG_INFINITY, (rows.dtype(), device))?;
    let mut first = 0;
    let mut places = Vec::with_capacity(sizes.len() * longest);
    for &n in sizes {
        places.extend((0..longest).map(|i| if i < n { first + i } else { count } as i64));
        first += n;
    }
    let runs =
        Tensor::cat(&[rows.clone(), least], 0)?.index_select(0, &vector(places, device)?)?.reshape([sizes.len(), longest, features])?;
    let empty = Tensor::from_vec(sizes.iter().map(|&n| n == 0).collect::<Vec<bool>>(), [sizes.len(), 1], device)?;
    runs.max_dim(1, false)?.0.masked_fill(&empty, 0)
}
