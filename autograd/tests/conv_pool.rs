//! Convolutions and pooling: derivatives of both modes and second order against finite differences, in f64.

mod common;

use common::{check, uniform};
use rushlight_tensor::backend::op::{Conv, Spatial, Window};
use rushlight_tensor::{DType, Padding, Result, Tensor, apply1};

fn t(shape: &[usize], seed: u64) -> Tensor {
    uniform(shape, -1.0, 1.0, seed)
}

#[test]
fn convolutions() -> Result<()> {
    check("conv1d", &|x| x[0].conv1d(&x[1], Some(&x[2]), 2, 1, 1, 1)?.square(), &[t(&[2, 3, 7], 1), t(&[4, 3, 3], 2), t(&[4], 3)])?;
    check("conv2d", &|x| x[0].conv2d(&x[1], None, 1, 1, 1, 1), &[t(&[2, 2, 4, 5], 1), t(&[3, 2, 3, 3], 2)])?;
    check(
        "conv2d of one",
        &|x| x[0].square()?.conv2d(&x[1], Some(&x[1].sum_dim([1, 2, 3], false)?), [2, 1], [0, 2], [1, 2], 2),
        &[t(&[2, 4, 5, 4], 1), t(&[4, 2, 2, 3], 2)],
    )?;
    check("conv2d same", &|x| x[0].conv2d(&x[1], None, 1, Padding::Same, [1, 3], 1)?.square(), &[t(&[2, 4, 5], 1), t(&[2, 2, 2, 2], 2)])?;
    check("conv3d", &|x| x[0].conv3d(&x[1], None, [1, 2, 1], 1, 1, 2)?.square(), &[t(&[1, 2, 3, 3, 3], 1), t(&[2, 1, 2, 2, 3], 2)])
}

#[test]
fn transposed_convolutions() -> Result<()> {
    check(
        "conv_transpose1d",
        &|x| x[0].conv_transpose1d(&x[1], Some(&x[2]), 3, 2, 1, 2, 1)?.square(),
        &[t(&[2, 4, 4], 1), t(&[4, 2, 5], 2), t(&[4], 3)],
    )?;
    // An output padding as large as the stride.
    check(
        "conv_transpose2d",
        &|x| x[0].conv_transpose2d(&x[1], None, [2, 1], [1, 0], [1, 2], 1, [1, 3])?.square(),
        &[t(&[2, 2, 3, 3], 1), t(&[2, 2, 3, 2], 2)],
    )?;
    check("conv_transpose3d", &|x| x[0].conv_transpose3d(&x[1], None, 2, 0, 1, 1, 1), &[t(&[1, 2, 2, 2, 2], 1), t(&[2, 1, 2, 1, 2], 2)])
}

#[test]
fn weight_gradients() -> Result<()> {
    let window = Window {
        stride: Spatial::all(2, 2),
        before: Spatial::all(1, 2),
        after: Spatial::all(1, 2),
        dilation: Spatial::all(1, 2),
        groups: 2,
    };
    let f = |x: &[Tensor]| apply1(Conv::WeightGrad { window, kernel: Spatial::all(3, 2) }, [&x[0], &x[1]])?.square();
    check("weight gradient", &f, &[t(&[2, 4, 3, 3], 1), t(&[2, 2, 5, 6], 2)])
}

#[test]
fn pooling() -> Result<()> {
    let x = || t(&[2, 3, 6, 5], 1);
    check("max_pool2d", &|x| x[0].max_pool2d(2, (), 0, 1, false)?.square(), &[x()])?;
    check("max_pool2d, overlapping", &|x| x[0].max_pool2d([3, 2], [2, 1], 1, [1, 2], true)?.square(), &[x()])?;
    check("max_pool1d", &|x| x[0].max_pool1d(3, 2, 1, 1, false)?.square(), &[t(&[3, 7], 2)])?;
    check("max_pool3d", &|x| x[0].max_pool3d(2, 1, 0, 1, false)?.square(), &[t(&[2, 3, 3, 3], 3)])?;
    check("avg_pool2d", &|x| x[0].avg_pool2d([3, 2], 2, [1, 0], true, true, None)?.square(), &[x()])?;
    check("avg_pool2d, inside", &|x| x[0].avg_pool2d(3, 2, 1, true, false, None)?.square(), &[x()])?;
    check("avg_pool1d", &|x| x[0].avg_pool1d(3, (), 0, false, true, Some(2))?.square(), &[t(&[3, 7], 2)])?;
    check("adaptive_avg_pool2d", &|x| x[0].adaptive_avg_pool2d([4, 2])?.square(), &[x()])?;
    check("adaptive_max_pool2d", &|x| x[0].adaptive_max_pool2d([4, 2])?.square(), &[x()])?;
    check("lp_pool2d", &|x| x[0].lp_pool2d(3.0, 2, (), false), &[uniform(&[2, 4, 4], 0.5, 1.5, 4)])?;
    let (values, places) = x().max_pool2d_with_indices(2, (), 0, 1, false)?;
    check("max_unpool2d", &|v| v[0].max_unpool2d(&places, 2, (), 0, [6, 5])?.square(), &[values])?;
    // The gradient goes to the first of equals.
    let ones = Tensor::ones([1, 1, 2, 2], DType::F64)?;
    let g = rushlight_autograd::grad(|x| x.max_pool2d(2, (), 0, 1, false)?.sum(), &ones)?;
    assert_eq!(g.to_vec::<f64>()?, [1.0, 0.0, 0.0, 0.0]);
    Ok(())
}
