//! Plain loops for any element type: integers and complex numbers.
//!
//! A tap of the kernel meets a rectangle of outputs; along its rows, input and output both step evenly.

use std::ops::Range;

use super::geometry::Geometry;
use crate::buffer::Plain;
use crate::walk::par_pieces;

/// Arithmetic of an element type (integers wrap).
#[derive(Clone, Copy)]
pub(super) struct Arithmetic<T> {
    pub(super) add: fn(T, T) -> T,
    pub(super) mul: fn(T, T) -> T,
}

/// One row of outputs that a tap meets: the tap, and where the row and its first input element lie in their planes.
struct Row {
    tap: usize,
    y: usize,
    x: usize,
    len: usize,
}

/// All rows of outputs with the taps that meet them.
fn rows(g: &Geometry, mut f: impl FnMut(Row)) {
    for kz in 0..g.kernel[0] {
        for kh in 0..g.kernel[1] {
            for kw in 0..g.kernel[2] {
                let tap = (kz * g.kernel[1] + kh) * g.kernel[2] + kw;
                let across: Range<usize> = g.reach(2, kw);
                if across.is_empty() {
                    continue;
                }
                for oz in g.reach(0, kz) {
                    for oh in g.reach(1, kh) {
                        let (z, h, w) = (g.place(0, oz, kz), g.place(1, oh, kh), g.place(2, across.start, kw));
                        f(Row {
                            tap,
                            y: (oz * g.output[1] + oh) * g.output[2] + across.start,
                            x: (z * g.input[1] + h) * g.input[2] + w,
                            len: across.len(),
                        });
                    }
                }
            }
        }
    }
}

/// y from x, w and perhaps a bias.
pub(super) fn forward<T: Plain>(g: &Geometry, a: Arithmetic<T>, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (inp, out, taps, outs) = (g.in_plane(), g.out_plane(), g.taps(), g.groups * g.cout);
    par_pieces(y, out.max(1), |start, y| {
        let (n, o) = (start / out / outs, start / out % outs);
        y.fill(bias.map_or(T::default(), |b| b[o]));
        for c in 0..g.cin {
            let x = &x[(n * g.groups * g.cin + o / g.cout * g.cin + c) * inp..][..inp];
            let w = &w[(o * g.cin + c) * taps..][..taps];
            rows(g, |r| {
                for (y, &x) in y[r.y..][..r.len].iter_mut().zip(x[r.x..].iter().step_by(g.stride[2])) {
                    *y = (a.add)(*y, (a.mul)(w[r.tap], x));
                }
            });
        }
    });
}

/// dx from dy and w.
pub(super) fn input_grad<T: Plain>(g: &Geometry, a: Arithmetic<T>, dy: &[T], w: &[T], dx: &mut [T]) {
    let (inp, out, taps, ins) = (g.in_plane(), g.out_plane(), g.taps(), g.groups * g.cin);
    par_pieces(dx, inp.max(1), |start, dx| {
        let (n, c) = (start / inp / ins, start / inp % ins);
        dx.fill(T::default());
        for o in c / g.cin * g.cout..(c / g.cin + 1) * g.cout {
            let dy = &dy[(n * g.groups * g.cout + o) * out..][..out];
            let w = &w[(o * g.cin + c % g.cin) * taps..][..taps];
            rows(g, |r| {
                for (x, &y) in dx[r.x..].iter_mut().step_by(g.stride[2]).zip(&dy[r.y..][..r.len]) {
                    *x = (a.add)(*x, (a.mul)(w[r.tap], y));
                }
            });
        }
    });
}

/// dw from dy and x.
pub(super) fn weight_grad<T: Plain>(g: &Geometry, a: Arithmetic<T>, dy: &[T], x: &[T], dw: &mut [T]) {
    let (inp, out, taps) = (g.in_plane(), g.out_plane(), g.taps());
    par_pieces(dw, taps, |start, dw| {
        let (o, c) = (start / taps / g.cin, start / taps % g.cin);
        dw.fill(T::default());
        for n in 0..g.batch {
            let dy = &dy[(n * g.groups * g.cout + o) * out..][..out];
            let x = &x[(n * g.groups * g.cin + o / g.cout * g.cin + c) * inp..][..inp];
            rows(g, |r| {
                for (&x, &y) in x[r.x..].iter().step_by(g.stride[2]).zip(&dy[r.y..][..r.len]) {
                    dw[r.tap] = (a.add)(dw[r.tap], (a.mul)(y, x));
                }
            });
        }
    });
}
