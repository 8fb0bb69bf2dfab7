//! Sequences of different lengths in one batch: `torch.nn.utils.rnn`.

use rushlight_tensor::{Error, Result, Tensor};

/// The steps of several sequences without padding: first the first steps of all, then the second steps of those that have one, and so on, the longest sequence first.
/// [`RNN`](crate::RNN), [`GRU`](crate::GRU) and [`LSTM`](crate::LSTM) take it by `forward_packed`.
///
/// ```
/// use rushlight_nn::GRU;
/// use rushlight_nn::utils::rnn::{pack_sequence, pad_packed_sequence};
/// use rushlight_tensor::Tensor;
///
/// let (long, short) = (Tensor::ones([3, 4], ())?, Tensor::ones([1, 4], ())?);
/// let packed = pack_sequence(&[short, long], false)?;
/// assert_eq!((packed.data().shape(), packed.batch_sizes()), (&[4, 4][..], &[2, 1, 1][..]));
/// let (y, last) = GRU::new(4, 5)?.forward_packed(&packed, None)?;
/// let (padded, lengths) = pad_packed_sequence(&y, true, 0.0, None)?;
/// assert_eq!((padded.shape(), lengths, last.shape()), (&[2, 3, 5][..], vec![1, 3], &[1, 2, 5][..]));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PackedSequence {
    data: Tensor,
    batch_sizes: Vec<usize>,
    /// The places of the sequences in the batch, longest first; none if they come in this order.
    sorted_indices: Option<Vec<usize>>,
}

impl PackedSequence {
    /// The steps: `[steps of all sequences, ..]`.
    pub fn data(&self) -> &Tensor {
        &self.data
    }

    /// How many sequences have a first step, a second one, and so on.
    pub fn batch_sizes(&self) -> &[usize] {
        &self.batch_sizes
    }

    /// The places that the sequences had in the batch, the longest sequence first; none if that is their order.
    pub fn sorted_indices(&self) -> Option<&[usize]> {
        self.sorted_indices.as_deref()
    }

    /// The places that the sequences of the batch have among the sorted ones.
    pub fn unsorted_indices(&self) -> Option<Vec<usize>> {
        self.sorted_indices.as_ref().map(|sorted| {
            let mut places = vec![0; sorted.len()];
            sorted.iter().enumerate().for_each(|(place, &i)| places[i] = place);
            places
        })
    }

    /// The same sequences with other steps.
    pub(crate) fn with_data(&self, data: Tensor) -> PackedSequence {
        PackedSequence { data, batch_sizes: self.batch_sizes.clone(), sorted_indices: self.sorted_indices.clone() }
    }

    /// The number of sequences.
    pub(crate) fn batch(&self) -> usize {
        self.batch_sizes.first().copied().unwrap_or(0)
    }

    /// The lengths of the sequences, longest first.
    pub(crate) fn sorted_lengths(&self) -> Vec<usize> {
        (0..self.batch()).map(|b| self.batch_sizes.iter().take_while(|n| **n > b).count()).collect()
    }
}

/// Parts of a tensor along a dimension, by their numbers.
fn picked(x: &Tensor, dim: isize, numbers: impl IntoIterator<Item = usize>) -> Result<Tensor> {
    let numbers: Vec<i64> = numbers.into_iter().map(|i| i as i64).collect();
    let n = numbers.len();
    x.index_select(dim, &Tensor::from_vec(numbers, n, x.device())?)
}

/// Rows of a tensor by their numbers.
pub(crate) fn rows(x: &Tensor, numbers: impl IntoIterator<Item = usize>) -> Result<Tensor> {
    picked(x, 0, numbers)
}

/// The steps of `[l, n, ..]` as rows.
pub(crate) fn flat(x: &Tensor) -> Result<Tensor> {
    x.flatten(0, 1)
}

/// The numbers of the rows that a packed sequence has, in a padded one `[l, n, ..]` of sequences in their order.
pub(crate) fn packed_rows(batch_sizes: &[usize], n: usize) -> impl Iterator<Item = usize> {
    batch_sizes.iter().enumerate().flat_map(move |(t, &count)| (0..count).map(move |b| t * n + b))
}

/// Packs a padded batch `[l, n, ..]`, or with `batch_first` `[n, l, ..]`, of sequences of these lengths. With `enforce_sorted` (PyTorch's default) the longest
/// sequence must come first, else they are sorted.
///
/// # Errors
/// If the lengths do not fit the batch, one is 0, or they are not sorted and have to be.
pub fn pack_padded_sequence(input: &Tensor, lengths: &[usize], batch_first: bool, enforce_sorted: bool) -> Result<PackedSequence> {
    const NAME: &str = "pack_padded_sequence";
    if input.dim() < 2 {
        return Err(Error::shape(NAME, format!("wants a batch of sequences, got shape {:?}", input.shape())));
    }
    let input = if batch_first { input.transpose(0, 1)? } else { input.clone() };
    let (l, n) = (input.shape()[0], input.shape()[1]);
    if lengths.len() != n || n == 0 {
        return Err(Error::value(NAME, format!("{} lengths for a batch of {n} sequences", lengths.len())));
    }
    if let Some(wrong) = lengths.iter().find(|x| **x == 0 || **x > l) {
        return Err(Error::value(NAME, format!("lengths must lie in 1 to {l}, got {wrong}")));
    }
    let mut order: Vec<usize> = (0..n).collect();
    if enforce_sorted {
        if lengths.windows(2).any(|w| w[0] < w[1]) {
            return Err(Error::value(
                NAME,
                "lengths must be sorted, the longest first: pass `enforce_sorted` as false, or sort the sequences",
            ));
        }
    } else {
        order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    }
    let longest = lengths[order[0]];
    let batch_sizes: Vec<usize> = (0..longest).map(|t| lengths.iter().filter(|x| **x > t).count()).collect();
    let numbers = batch_sizes.iter().enumerate().flat_map(|(t, &count)| order[..count].iter().map(move |b| t * n + b));
    let data = rows(&flat(&input)?, numbers)?;
    Ok(PackedSequence { data, batch_sizes, sorted_indices: (!enforce_sorted).then_some(order) })
}

/// The sequences in the order of the batch, padded: `[l, n, ..]`, or with `batch_first` `[n, l, ..]`, and their lengths. `total_length` may make them longer than the longest.
///
/// # Errors
/// If `total_length` is less than the longest sequence.
pub fn pad_packed_sequence(
    sequence: &PackedSequence,
    batch_first: bool,
    padding_value: f64,
    total_length: Option<usize>,
) -> Result<(Tensor, Vec<usize>)> {
    let longest = sequence.batch_sizes.len();
    let l = total_length.unwrap_or(longest);
    if l < longest {
        return Err(Error::value("pad_packed_sequence", format!("a total length of {l}, but a sequence has {longest} steps")));
    }
    let (n, sorted) = (sequence.batch(), sequence.sorted_lengths());
    let places = sequence.unsorted_indices().unwrap_or_else(|| (0..n).collect());
    let mut padded = padded(sequence, &places, longest, padding_value)?;
    if l > longest {
        let mut more = padded.shape().to_vec();
        more[0] = l - longest;
        let more = Tensor::full(more, padding_value, (padded.dtype(), padded.device()))?;
        padded = Tensor::cat(&[padded, more], 0)?;
    }
    let lengths = places.iter().map(|&p| sorted[p]).collect();
    Ok((if batch_first { padded.transpose(0, 1)? } else { padded }, lengths))
}

/// `[l, n, ..]`, whose sequence number i is the one at `places[i]` of the sorted ones.
pub(crate) fn padded(sequence: &PackedSequence, places: &[usize], l: usize, padding_value: f64) -> Result<Tensor> {
    let data = &sequence.data;
    let mut row = data.shape().to_vec();
    row[0] = 1;
    let padding = Tensor::full(row.clone(), padding_value, (data.dtype(), data.device()))?;
    let source = Tensor::cat(&[data.clone(), padding], 0)?;
    let starts: Vec<usize> = sequence.batch_sizes.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
    let last = data.shape()[0];
    let number = |t: usize, p: usize| match sequence.batch_sizes.get(t) {
        Some(&count) if p < count => starts[t] + p,
        _ => last,
    };
    let all = rows(&source, (0..l).flat_map(|t| places.iter().map(move |&p| number(t, p))))?;
    row.splice(0..1, [l, places.len()]);
    all.reshape(row)
}

/// On which side sequences are padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingSide {
    /// Behind their last step.
    #[default]
    Right,
    /// Before their first step.
    Left,
}

/// Sequences `[l, ..]` of different lengths as one batch `[longest, n, ..]`, or with `batch_first` `[n, longest, ..]`.
///
/// # Errors
/// If there are none, or they differ in other sizes or dtype.
pub fn pad_sequence(sequences: &[Tensor], batch_first: bool, padding_value: f64, side: PaddingSide) -> Result<Tensor> {
    const NAME: &str = "pad_sequence";
    let first = sequences.first().ok_or_else(|| Error::value(NAME, "got an empty list"))?;
    if let Some(other) = sequences.iter().find(|s| s.dim() == 0 || s.shape().get(1..) != first.shape().get(1..)) {
        return Err(Error::shape(NAME, format!("sequences of shapes {:?} and {:?}", first.shape(), other.shape())));
    }
    let longest = sequences.iter().map(|s| s.shape()[0]).max().unwrap_or(0);
    let one = |s: &Tensor| {
        let mut missing = s.shape().to_vec();
        missing[0] = longest - s.shape()[0];
        let padding = Tensor::full(missing, padding_value, (s.dtype(), s.device()))?;
        match side {
            PaddingSide::Right => Tensor::cat(&[s.clone(), padding], 0),
            PaddingSide::Left => Tensor::cat(&[padding, s.clone()], 0),
        }
    };
    Tensor::stack(&sequences.iter().map(one).collect::<Result<Vec<_>>>()?, if batch_first { 0 } else { 1 })
}

/// The sequences of a padded batch: the reverse of [`pad_sequence`] on the right side.
///
/// # Errors
/// If the lengths do not fit the batch.
pub fn unpad_sequence(padded: &Tensor, lengths: &[usize], batch_first: bool) -> Result<Vec<Tensor>> {
    const NAME: &str = "unpad_sequence";
    if padded.dim() < 2 {
        return Err(Error::shape(NAME, format!("wants a batch of sequences, got shape {:?}", padded.shape())));
    }
    let padded = if batch_first { padded.clone() } else { padded.transpose(0, 1)? };
    let (n, l) = (padded.shape()[0], padded.shape()[1]);
    if lengths.len() != n || lengths.iter().any(|x| *x > l) {
        return Err(Error::value(NAME, format!("lengths {lengths:?} for {n} sequences of at most {l} steps")));
    }
    lengths.iter().enumerate().map(|(i, &length)| padded.select(0, i as isize)?.narrow(0, 0, length)).collect()
}

/// Packs sequences `[l, ..]`: [`pad_sequence`] and [`pack_padded_sequence`].
///
/// # Errors
/// As those.
pub fn pack_sequence(sequences: &[Tensor], enforce_sorted: bool) -> Result<PackedSequence> {
    let padded = pad_sequence(sequences, false, 0.0, PaddingSide::Right)?;
    let lengths: Vec<usize> = sequences.iter().map(|s| s.shape()[0]).collect();
    pack_padded_sequence(&padded, &lengths, false, enforce_sorted)
}

/// The sequences in the order of the batch.
///
/// # Errors
/// If memory cannot be had.
pub fn unpack_sequence(sequence: &PackedSequence) -> Result<Vec<Tensor>> {
    let (padded, lengths) = pad_packed_sequence(sequence, true, 0.0, None)?;
    unpad_sequence(&padded, &lengths, true)
}

/// The numbers of rows of `[l, n, ..]` that turn each of the sequences around and leave its padding.
pub(crate) fn turned(lengths: &[usize], l: usize) -> Vec<usize> {
    let n = lengths.len();
    (0..l).flat_map(|t| lengths.iter().enumerate().map(move |(b, &len)| (if t < len { len - 1 - t } else { t }) * n + b)).collect()
}

/// The numbers of the rows with the last steps.
pub(crate) fn last_rows(lengths: &[usize]) -> impl Iterator<Item = usize> {
    let n = lengths.len();
    lengths.iter().enumerate().map(move |(b, &len)| (len - 1) * n + b)
}

/// Sequences along `dim` in another order; as they are without one.
pub(crate) fn permuted(x: &Tensor, dim: isize, order: Option<&[usize]>) -> Result<Tensor> {
    order.map_or_else(|| Ok(x.clone()), |order| picked(x, dim, order.iter().copied()))
}
