//! Feeds kernels: from operands that lie anyhow in memory to contiguous pieces and repeated numbers.
//!
//! A kernel is only ever compiled for contiguous slices and single numbers of its computing type. An operand that is strided,
//! that is the result's own memory, or whose elements are computed in a wider type is staged block by block through the stack.

use rushlight_backend::{Complex32, Complex64, Layout, bf16, f16};

use crate::buffer::{Bool, Plain};
use crate::walk::{Walk, par_pieces};

/// The number of elements that are staged at a time.
pub(super) const BLOCK: usize = 512;

/// Rows at least this long are handed to the kernel one by one; shorter ones are gathered into blocks.
const LONG_ROW: usize = 48;

/// An element type in memory and the type that kernels compute in.
pub(super) trait Lane: Plain {
    /// The computing type.
    type C: Plain;
    /// The elements as they are, if they need no conversion.
    fn direct(x: &[Self]) -> Option<&[Self::C]>;
    /// The same, to write.
    fn direct_mut(x: &mut [Self]) -> Option<&mut [Self::C]>;
    /// To the computing type.
    fn widen(x: &[Self], into: &mut [Self::C]);
    /// Back, rounded.
    fn narrow(x: &[Self::C], into: &mut [Self]);
}

macro_rules! direct {
    ($($t:ty),*) => {$(
        impl Lane for $t {
            type C = $t;
            #[inline(always)]
            fn direct(x: &[$t]) -> Option<&[$t]> { Some(x) }
            #[inline(always)]
            fn direct_mut(x: &mut [$t]) -> Option<&mut [$t]> { Some(x) }
            fn widen(x: &[$t], into: &mut [$t]) { into.copy_from_slice(x) }
            fn narrow(x: &[$t], into: &mut [$t]) { into.copy_from_slice(x) }
        }
    )*};
}
direct!(Bool, u8, i8, i16, i32, i64, f32, f64, Complex32, Complex64);

macro_rules! halves {
    ($($t:ty),*) => {$(
        impl Lane for $t {
            type C = f32;
            #[inline(always)]
            fn direct(_: &[$t]) -> Option<&[f32]> { None }
            #[inline(always)]
            fn direct_mut(_: &mut [$t]) -> Option<&mut [f32]> { None }
            fn widen(x: &[$t], into: &mut [f32]) { half::slice::HalfFloatSliceExt::convert_to_f32_slice(x, into) }
            fn narrow(x: &[f32], into: &mut [$t]) { half::slice::HalfFloatSliceExt::convert_from_f32_slice(into, x) }
        }
    )*};
}
halves!(f16, bf16);

/// What a kernel gets of an operand: as many elements as the result's piece has, or one for all of them.
#[derive(Clone, Copy)]
pub(super) enum Val<'a, C> {
    Slice(&'a [C]),
    One(C),
}

/// An operand: its memory (`None`: it is the result's memory, element for element) and its layout.
pub(super) struct Source<'a, S> {
    pub(super) data: Option<&'a [S]>,
    pub(super) layout: &'a Layout,
}

/// Runs a kernel over all elements of a result of this shape, in pieces of `grain` elements on all threads.
///
/// `own` reads the result's own memory, for operands that are there.
pub(super) fn drive<S: Lane, D: Lane, const N: usize>(
    out: &mut [D],
    shape: &[usize],
    sources: [Source<'_, S>; N],
    own: fn(&[D], &mut [S::C]),
    grain: usize,
    kernel: impl Fn([Val<'_, S::C>; N], &mut [D::C]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    // The usual case, without any staging: everything lies in order.
    let whole = sources.each_ref().map(|s| match s.data {
        Some(data) if s.layout.is_contiguous() && s.layout.shape() == shape => S::direct(&data[s.layout.offset()..][..out.len()]),
        _ => None,
    });
    if D::direct_mut(&mut []).is_some() && whole.iter().all(Option::is_some) {
        let whole = whole.map(|s| s.unwrap_or(&[]));
        return par_pieces(out, grain, |start, piece| {
            let len = piece.len();
            if let Some(piece) = D::direct_mut(piece) {
                kernel(whole.map(|s| Val::Slice(&s[start..][..len])), piece);
            }
        });
    }
    let walk = Walk::new(shape, sources.each_ref().map(|s| s.layout));
    let data = sources.map(|s| s.data);
    par_pieces(out, grain, |start, piece| {
        let long = walk.row_len() >= LONG_ROW || walk.row_len() == walk.total();
        if long && walk.inner().iter().all(|s| (0..2).contains(s)) {
            by_rows(&walk, &data, own, start, piece, &kernel);
        } else {
            by_blocks(&walk, &data, own, start, piece, &kernel);
        }
    });
}

/// Rows in which every operand is contiguous or one number.
fn by_rows<S: Lane, D: Lane, const N: usize>(
    walk: &Walk<N>,
    data: &[Option<&[S]>; N],
    own: fn(&[D], &mut [S::C]),
    start: usize,
    piece: &mut [D],
    kernel: &impl Fn([Val<'_, S::C>; N], &mut [D::C]),
) {
    let direct = S::direct(&[]).is_some() && D::direct_mut(&mut []).is_some();
    let inner = walk.inner();
    let mut stage = None;
    walk.rows(start..start + piece.len(), |at, len, offsets| {
        let piece = &mut piece[at - start..][..len];
        if direct && data.iter().all(Option::is_some) {
            let vals = std::array::from_fn(|k| {
                let data = S::direct(data[k].unwrap_or(&[])).unwrap_or(&[]);
                let from = offsets[k] as usize;
                if inner[k] == 0 { Val::One(data[from]) } else { Val::Slice(&data[from..][..len]) }
            });
            if let Some(piece) = D::direct_mut(piece) {
                kernel(vals, piece);
            }
            return;
        }
        let stage = stage.get_or_insert_with(Stage::<S, D, N>::new);
        for (b, block) in piece.chunks_mut(BLOCK).enumerate() {
            let len = block.len();
            for k in 0..N {
                let wide = &mut stage.wide[k][..len];
                match data[k] {
                    None => own(block, wide),
                    Some(data) if inner[k] == 0 => {
                        S::widen(&[data[offsets[k] as usize]], &mut wide[..1]);
                    }
                    Some(data) => S::widen(&data[offsets[k] as usize + b * BLOCK..][..len], wide),
                }
            }
            let vals = std::array::from_fn(|k| {
                if inner[k] == 0 && data[k].is_some() { Val::One(stage.wide[k][0]) } else { Val::Slice(&stage.wide[k][..len]) }
            });
            kernel(vals, &mut stage.out[..len]);
            D::narrow(&stage.out[..len], block);
        }
    });
}

/// Blocks of the result, for which strided operands are gathered.
fn by_blocks<S: Lane, D: Lane, const N: usize>(
    walk: &Walk<N>,
    data: &[Option<&[S]>; N],
    own: fn(&[D], &mut [S::C]),
    start: usize,
    piece: &mut [D],
    kernel: &impl Fn([Val<'_, S::C>; N], &mut [D::C]),
) {
    let mut stage = Stage::<S, D, N>::new();
    let mut narrow = [S::default(); BLOCK];
    for (b, block) in piece.chunks_mut(BLOCK).enumerate() {
        let (at, len) = (start + b * BLOCK, block.len());
        for k in 0..N {
            let wide = &mut stage.wide[k][..len];
            match data[k] {
                None => own(block, wide),
                Some(data) => {
                    walk.gather(k, data, at..at + len, &mut narrow[..len]);
                    S::widen(&narrow[..len], wide);
                }
            }
        }
        let vals = std::array::from_fn(|k| {
            if walk.is_one(k) && data[k].is_some() { Val::One(stage.wide[k][0]) } else { Val::Slice(&stage.wide[k][..len]) }
        });
        kernel(vals, &mut stage.out[..len]);
        D::narrow(&stage.out[..len], block);
    }
}

/// Blocks of operands and result in the computing type.
struct Stage<S: Lane, D: Lane, const N: usize> {
    wide: [[S::C; BLOCK]; N],
    out: [D::C; BLOCK],
}

impl<S: Lane, D: Lane, const N: usize> Stage<S, D, N> {
    fn new() -> Self {
        Stage { wide: [[S::C::default(); BLOCK]; N], out: [D::C::default(); BLOCK] }
    }
}
