//! Indices of indices: places of coordinates, coordinates of what is true.

use rushlight_backend::{Arg, Error, Result, Storage};

use crate::buffer::{Bool, alloc, input, typed_mut};
use crate::walk::Walk;

/// Places in row-major order of coordinates, of which negative ones count from the back.
pub(super) fn ravel(sizes: &[usize], first: usize, inputs: &[Arg<'_>]) -> Result<Storage> {
    let mut buffer = alloc::<i64>(inputs[0].shape())?;
    let out = typed_mut::<i64>(&mut buffer);
    out.fill(0);
    for (d, (x, &size)) in inputs.iter().zip(sizes).enumerate() {
        let (of, walk, n) = (input::<i64>(x)?, Walk::new(x.shape(), [x.layout()]), size as i64);
        let stride = walk.inner()[0];
        let mut bad = None;
        walk.rows(0..walk.total(), |at, len, [offset]| {
            for (j, o) in out[at..][..len].iter_mut().enumerate() {
                let i = of[(offset + j as isize * stride) as usize];
                let from_front = if i < 0 { i.wrapping_add(n) } else { i };
                if from_front as u64 >= n as u64 {
                    bad = bad.or(Some(i));
                }
                *o = o.wrapping_mul(n).wrapping_add(from_front);
            }
        });
        if let Some(i) = bad {
            return Err(Error::index("index", format!("index {i} is out of range for dimension {} of size {size}", first + d)));
        }
    }
    Ok(Storage::new(buffer))
}

/// The coordinates of the true elements of a mask, which has `count` of them.
pub(super) fn nonzero(count: usize, mask: &Arg<'_>) -> Result<Storage> {
    let (shape, rank) = (mask.shape(), mask.shape().len());
    let mut buffer = alloc::<i64>(&[count, rank])?;
    let out = typed_mut::<i64>(&mut buffer);
    let (data, walk) = (input::<Bool>(mask)?, Walk::new(shape, [mask.layout()]));
    let stride = walk.inner()[0];
    let mut found = 0;
    walk.rows(0..walk.total(), |at, len, [offset]| {
        for j in 0..len {
            if !data[(offset + j as isize * stride) as usize].get() {
                continue;
            }
            if found < count {
                let mut rest = at + j;
                for (o, &n) in out[found * rank..][..rank].iter_mut().zip(shape).rev() {
                    *o = (rest % n) as i64;
                    rest /= n;
                }
            }
            found += 1;
        }
    });
    if found != count {
        return Err(Error::value("nonzero", format!("the mask has {found} true elements, not {count}")));
    }
    Ok(Storage::new(buffer))
}
