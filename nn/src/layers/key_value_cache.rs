//! Keys and values of what was seen already.

use rushlight_tensor::{AttentionOptions, DType, Error, Input, Result, Tensor, apply1, backend::op::ShapeOp};

/// The keys and values of the tokens that an attention has seen, so that generating one token costs one token.
///
/// Keys and values are `[n, heads, l, features]`. The memory grows by doubling, and new ones are written into it in place.
///
/// ```
/// use rushlight_nn::KeyValueCache;
/// use rushlight_tensor::{AttentionOptions, Tensor};
///
/// let [q, k, v] = [0, 1, 2].map(|_| Tensor::randn([1, 2, 6, 4], ()).unwrap());
/// let mut cache = KeyValueCache::new();
/// let first = cache.attend(&q.narrow(2, 0, 5)?, &k.narrow(2, 0, 5)?, &v.narrow(2, 0, 5)?)?;
/// let last = cache.attend(&q.narrow(2, 5, 1)?, &k.narrow(2, 5, 1)?, &v.narrow(2, 5, 1)?)?;
/// // As if all had been there at once.
/// let causal = AttentionOptions { is_causal: true, ..AttentionOptions::default() };
/// let whole = q.scaled_dot_product_attention(&k, &v, causal)?;
/// assert!(Tensor::cat(&[first, last], 2)?.allclose(&whole, 1e-5, 1e-6, false)?);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    /// Keys and values, of which the first `len` count.
    memory: Option<[Tensor; 2]>,
    len: usize,
}

/// The first size of the memory, in tokens.
const FIRST: usize = 64;

impl KeyValueCache {
    /// An empty cache.
    pub fn new() -> KeyValueCache {
        KeyValueCache::default()
    }

    /// The number of tokens that it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds keys `[n, heads, l, e]` and values `[n, heads, l, d]`, and gives back all that it holds: views, which should be dropped before the next call so
    /// that this can write in place.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit each other or what is there.
    pub fn append(&mut self, key: &Tensor, value: &Tensor) -> Result<(Tensor, Tensor)> {
        let (&[_, _, l, _], &[_, _, of_values, _]) = (key.shape(), value.shape()) else {
            return Err(Error::shape(
                "KeyValueCache",
                format!("wants keys and values [n, heads, l, features], got {:?} and {:?}", key.shape(), value.shape()),
            ));
        };
        if l != of_values {
            return Err(Error::shape("KeyValueCache", format!("got {l} keys and {of_values} values")));
        }
        if let Some(memory) = &self.memory {
            for (held, new) in memory.iter().zip([key, value]) {
                let but_length = |t: &Tensor| [t.shape()[0], t.shape()[1], t.shape()[3]];
                if but_length(held) != but_length(new) || held.dtype() != new.dtype() || held.device() != new.device() {
                    return Err(Error::shape(
                        "KeyValueCache",
                        format!("holds {}{:?}, got {}{:?}", held.dtype(), held.shape(), new.dtype(), new.shape()),
                    ));
                }
            }
        }
        let (start, end) = (self.len, self.len + l);
        let room = self.memory.as_ref().map_or(0, |m| m[0].shape()[2]);
        let [keys, values] = match self.memory.take() {
            Some(memory) if room >= end => memory,
            old => {
                let room = end.max(2 * room).max(FIRST);
                let [old_keys, old_values] = old.map_or([None, None], |[k, v]| [Some(k), Some(v)]);
                [grown(old_keys, key, room)?, grown(old_values, value, room)?]
            }
        };
        let write =
            |memory: Tensor, new: &Tensor| apply1(ShapeOp::SliceScatter { dim: 2, start, step: 1 }, [Input::Own(memory), Input::Ref(new)]);
        let (keys, values) = (write(keys, key)?, write(values, value)?);
        let seen = (keys.narrow(2, 0, end)?, values.narrow(2, 0, end)?);
        self.memory = Some([keys, values]);
        self.len = end;
        Ok(seen)
    }

    /// Adds keys and values, then `softmax(q k' / sqrt(e)) v` for the queries `[n, heads, l, e]` of the same tokens: each sees all that were there and
    /// those of the new ones that do not lie ahead.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn attend(&mut self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
        let before = self.len;
        let (keys, values) = self.append(key, value)?;
        let l = query.size(-2)?;
        let grouped = query.size(1)? != keys.shape()[1];
        let options = AttentionOptions { enable_gqa: grouped, ..AttentionOptions::default() };
        if l == 1 || before == 0 {
            return query.scaled_dot_product_attention(&keys, &values, AttentionOptions { is_causal: l > 1, ..options });
        }
        let places = |from: usize, to: usize| Tensor::arange(from, to, 1, (DType::I64, query.device()));
        let mask = places(0, self.len)?.le(&places(before, before + l)?.unsqueeze(1)?)?;
        query.scaled_dot_product_attention(&keys, &values, AttentionOptions { mask: Some(&mask), ..options })
    }
}

/// Memory for `room` tokens, with what was in the old one.
fn grown(old: Option<Tensor>, like: &Tensor, room: usize) -> Result<Tensor> {
    let mut shape = like.shape().to_vec();
    shape[2] = room;
    let new = Tensor::zeros(shape, (like.dtype(), like.device()))?;
    match old {
        None => Ok(new),
        Some(old) => apply1(ShapeOp::SliceScatter { dim: 2, start: 0, step: 1 }, [Input::Own(new), Input::Own(old)]),
    }
}
