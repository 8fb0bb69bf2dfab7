//! Feeds kernels: from operands that lie anyhow in memory to contiguous pieces and repeated numbers.
//!
//! A kernel is only ever compiled for contiguous slices and single numbers of its computing type. An operand that is strided,
//! that is the result's own memory, or whose elements are computed in a wider type is staged block by block through the stack.

use half::slice::HalfFloatSliceExt;
use rushlight_backend::{Complex32, Complex64, Layout, bf16, f16, same_shape};

use crate::buffer::{Bool, Plain};
use crate::simd::dispatch;
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
    ($($t:ty: $widen:expr, $narrow:expr;)*) => {$(
        impl Lane for $t {
            type C = f32;
            #[inline(always)]
            fn direct(_: &[$t]) -> Option<&[f32]> { None }
            #[inline(always)]
            fn direct_mut(_: &mut [$t]) -> Option<&mut [f32]> { None }
            fn widen(x: &[$t], into: &mut [f32]) { $widen(x, into) }
            fn narrow(x: &[f32], into: &mut [$t]) { $narrow(x, into) }
        }
    )*};
}
halves! {
    f16: HalfFloatSliceExt::convert_to_f32_slice, |x, into: &mut [f16]| into.convert_from_f32_slice(x);
    bf16: widen_bf16, narrow_bf16;
}

dispatch! { fn widen_bf16(x: &[bf16], into: &mut [f32]) = widen_bf16_body; }
dispatch! { fn narrow_bf16(x: &[f32], into: &mut [bf16]) = narrow_bf16_body; }

#[inline(always)]
fn widen_bf16_body<const FMA: bool>(x: &[bf16], into: &mut [f32]) {
    for (o, x) in into.iter_mut().zip(x) {
        *o = f32::from_bits(u32::from(x.to_bits()) << 16);
    }
}

#[inline(always)]
fn narrow_bf16_body<const FMA: bool>(x: &[f32], into: &mut [bf16]) {
    for (o, &x) in into.iter_mut().zip(x) {
        *o = bf16::from_f32(x);
    }
}

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
        Some(data) if s.layout.is_contiguous() && same_shape(s.layout.shape(), shape) => S::direct(&data[s.layout.offset()..][..out.len()]),
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
    let direct = data.each_ref().map(|d| d.and_then(S::direct));
    let inner = walk.inner();
    if direct.iter().all(Option::is_some) && D::direct_mut(&mut []).is_some() {
        let direct = direct.map(|d| d.unwrap_or(&[]));
        return walk.rows(start..start + piece.len(), |at, len, offsets| {
            let vals = std::array::from_fn(|k| {
                let from = offsets[k] as usize;
                if inner[k] == 0 { Val::One(direct[k][from]) } else { Val::Slice(&direct[k][from..][..len]) }
            });
            if let Some(piece) = D::direct_mut(&mut piece[at - start..][..len]) {
                kernel(vals, piece);
            }
        });
    }
    let mut stage = Stage::<S, D, N>::new();
    walk.rows(start..start + piece.len(), |at, len, offsets| {
        for (b, block) in piece[at - start..][..len].chunks_mut(BLOCK).enumerate() {
            let len = block.len();
            stage.run(block, kernel, own, data, |k, slot| {
                let from = offsets[k] as usize;
                match (data[k].unwrap_or(&[]), direct[k]) {
                    (_, Some(direct)) if inner[k] == 0 => Fed::One(direct[from]),
                    (_, Some(direct)) => Fed::Slice(&direct[from + b * BLOCK..][..len]),
                    (data, _) if inner[k] == 0 => Fed::One(widen_one(data[from])),
                    (data, _) => {
                        S::widen(&data[from + b * BLOCK..][..len], &mut slot.get_or_insert_with(blank)[..len]);
                        Fed::Staged
                    }
                }
            });
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
    let direct = data.each_ref().map(|d| d.and_then(S::direct));
    let (flat, one): ([bool; N], [bool; N]) = (std::array::from_fn(|k| walk.is_flat(k)), std::array::from_fn(|k| walk.is_one(k)));
    let mut stage = Stage::<S, D, N>::new();
    let mut narrow = [S::default(); BLOCK];
    for (b, block) in piece.chunks_mut(BLOCK).enumerate() {
        let (at, len) = (start + b * BLOCK, block.len());
        stage.run(block, kernel, own, data, |k, slot| match (data[k].unwrap_or(&[]), direct[k]) {
            (_, Some(direct)) if flat[k] => Fed::Slice(&direct[walk.start(k) + at..][..len]),
            (data, _) if one[k] => Fed::One(widen_one(data[walk.start(k)])),
            (data, _) => {
                walk.gather(k, data, at..at + len, &mut narrow[..len]);
                S::widen(&narrow[..len], &mut slot.get_or_insert_with(blank)[..len]);
                Fed::Staged
            }
        });
    }
}

/// How an operand was made ready.
enum Fed<'a, C> {
    /// As it lies.
    Slice(&'a [C]),
    One(C),
    /// In the block that was given for it.
    Staged,
}

fn blank<C: Plain>() -> [C; BLOCK] {
    [C::default(); BLOCK]
}

fn widen_one<S: Lane>(x: S) -> S::C {
    let mut wide = [S::C::default()];
    S::widen(&[x], &mut wide);
    wide[0]
}

/// Blocks of operands and result in the computing type; those that are not needed cost nothing.
struct Stage<S: Lane, D: Lane, const N: usize> {
    wide: [Option<[S::C; BLOCK]>; N],
    out: Option<[D::C; BLOCK]>,
}

impl<S: Lane, D: Lane, const N: usize> Stage<S, D, N> {
    fn new() -> Self {
        Stage { wide: [const { None }; N], out: None }
    }

    /// Runs the kernel on one block of the result. `feed` makes operand k ready, if it is not the result's own memory.
    #[inline(always)]
    fn run<'a>(
        &mut self,
        block: &mut [D],
        kernel: &impl Fn([Val<'_, S::C>; N], &mut [D::C]),
        own: fn(&[D], &mut [S::C]),
        data: &[Option<&'a [S]>; N],
        mut feed: impl FnMut(usize, &mut Option<[S::C; BLOCK]>) -> Fed<'a, S::C>,
    ) where
        S::C: 'a,
    {
        let len = block.len();
        let mut fed = [const { Fed::Staged }; N];
        for k in 0..N {
            match data[k] {
                None => own(block, &mut self.wide[k].get_or_insert_with(blank)[..len]),
                Some(_) => fed[k] = feed(k, &mut self.wide[k]),
            }
        }
        let vals = std::array::from_fn(|k| match fed[k] {
            Fed::Slice(x) => Val::Slice(x),
            Fed::One(x) => Val::One(x),
            Fed::Staged => Val::Slice(self.wide[k].as_ref().map_or(&[], |wide| &wide[..len])),
        });
        match D::direct_mut(block) {
            Some(block) => kernel(vals, block),
            None => {
                let out = &mut self.out.get_or_insert_with(blank)[..len];
                kernel(vals, out);
                D::narrow(out, block);
            }
        }
    }
}
