//! Windows as columns, interpolation and sampling, against plain loops and closed forms.

use rushlight_tensor::{
    BagMode, CtcLoss, DType, Device, EmbeddingBag, FractionalSize, Generator, GridSample, InterpolateMode, InterpolateOptions,
    InterpolateTo, LossReduction, Result, Tensor,
};

fn uniform(shape: &[usize], seed: u64) -> Result<Tensor> {
    Tensor::uniform_with(-1.0, 1.0, shape, DType::F64, &Generator::new(seed))
}

fn close(a: &Tensor, b: &Tensor) -> Result<()> {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in a.to_vec::<f64>()?.iter().zip(b.to_vec::<f64>()?) {
        assert!((a - b).abs() < 1e-10, "{a} is not {b}");
    }
    Ok(())
}

/// A convolution is a product of the weight and the windows; fold is the transpose of unfold.
#[test]
fn windows_as_columns() -> Result<()> {
    let (x, w) = (uniform(&[2, 3, 6, 7], 1)?, uniform(&[4, 3, 2, 3], 2)?);
    let (dilation, padding, stride) = ([2, 1], [1, 2], [1, 2]);
    let columns = x.unfold_windows([2, 3], dilation, padding, stride)?;
    let y = x.conv2d(&w, None, stride, padding, dilation, 1)?;
    close(&w.reshape([4, 18])?.matmul(&columns)?.reshape(y.shape())?, &y)?;
    let g = uniform(columns.shape(), 3)?;
    let back = g.fold([6, 7], [2, 3], dilation, padding, stride)?;
    close(&g.mul(&columns)?.sum()?, &back.mul(&x)?.sum()?)?;
    assert!(x.unfold_windows([9, 3], 1, 0, 1).is_err());
    assert!(columns.fold([6, 12], [2, 3], dilation, padding, stride).is_err());
    Ok(())
}

/// A straight line stays one under every interpolating mode, with the ends in the same places where corners are aligned.
#[test]
fn lines_stay_lines() -> Result<()> {
    let line = Tensor::arange(0, 6, 1, (DType::F64, Device::cpu()))?.reshape([1, 1, 1, 6])?.expand([1, 1, 5, 6])?;
    for mode in [InterpolateMode::Bilinear, InterpolateMode::Bicubic] {
        let options = InterpolateOptions { mode, align_corners: Some(true), ..InterpolateOptions::default() };
        let y = line.interpolate(&InterpolateTo::size([3, 11]), options)?;
        let middle = y.select(2, 1)?.reshape(11)?.narrow(0, 2, 7)?;
        close(&middle, &Tensor::arange(1.0, 4.5, 0.5, (DType::F64, Device::cpu()))?)?;
    }
    // Shrinking by 2 with the mean of all that is passed over keeps the mean inside.
    let options = InterpolateOptions { mode: InterpolateMode::Bilinear, antialias: true, ..InterpolateOptions::default() };
    let y = line.interpolate(&InterpolateTo::scale(&[1.0, 0.5]), options)?;
    assert!((y.mean()?.item::<f64>()? - 2.5).abs() < 1e-12);
    assert!(line.interpolate(&InterpolateTo::size(0), InterpolateMode::Nearest).is_err());
    assert!(line.interpolate(&InterpolateTo::size(3), InterpolateMode::Linear).is_err());
    Ok(())
}

/// The identity's grid samples the image itself; half a pixel to the right is the mean of neighbours.
#[test]
fn sampling_at_a_grid() -> Result<()> {
    let x = uniform(&[1, 2, 4, 5], 4)?;
    let theta = |shift: f64| Tensor::new([[[1.0, 0.0, shift], [0.0, 1.0, 0.0]]]);
    for align_corners in [false, true] {
        let with = GridSample { align_corners, ..GridSample::default() };
        close(&x.grid_sample(&theta(0.0)?.affine_grid([1, 2, 4, 5], align_corners)?, with)?, &x)?;
        let step = if align_corners { 2.0 / 4.0 } else { 2.0 / 5.0 };
        let y = x.grid_sample(&theta(step / 2.0)?.affine_grid([1, 2, 4, 5], align_corners)?, with)?;
        let mean = x.narrow(3, 0, 4)?.add(&x.narrow(3, 1, 4)?)?.mul(0.5)?;
        close(&y.narrow(3, 0, 4)?, &mean)?;
    }
    let outside = Tensor::full([1, 1, 1, 2], f64::NAN, DType::F64)?;
    assert!(x.grid_sample(&outside, GridSample::default()).is_ok(), "a point that is no number is no panic");
    Ok(())
}

#[test]
fn fractional_windows() -> Result<()> {
    let x = uniform(&[2, 3, 9, 8], 5)?;
    let samples = Tensor::uniform_with(0.0, 1.0, [2, 3, 2], DType::F64, &Generator::new(6))?;
    let (y, places) = x.fractional_max_pool2d(2, &FractionalSize::Size([4, 5].into_iter().collect()), Some(&samples))?;
    assert_eq!(y.shape(), [2, 3, 4, 5]);
    close(&x.reshape([2, 3, 72])?.gather(2, &places.reshape([2, 3, 20])?)?.reshape(y.shape())?, &y)?;
    // The last window ends at the border.
    let last = places.select(2, 3)?.select(2, 4)?.to_vec::<i64>()?;
    assert!(last.iter().all(|&p| p / 8 >= 7 && p % 8 >= 6), "{last:?}");
    assert!(x.fractional_max_pool2d(2, &FractionalSize::Ratio(vec![1.5]), None).is_err());
    Ok(())
}

#[test]
fn bags() -> Result<()> {
    let table = uniform(&[5, 2], 7)?;
    let indices = Tensor::new([4i64, 1, 1, 0])?;
    let offsets = Tensor::new([0i64, 3, 3])?;
    let with = |mode| EmbeddingBag { offsets: Some(&offsets), mode, ..EmbeddingBag::default() };
    let row = |i: isize| table.select(0, i);
    let sums = table.embedding_bag(&indices, with(BagMode::Sum))?;
    close(&sums.select(0, 0)?, &row(4)?.add(&row(1)?)?.add(&row(1)?)?)?;
    close(&sums.select(0, 1)?, &Tensor::zeros(2, DType::F64)?)?;
    close(&sums.select(0, 2)?, &row(0)?)?;
    close(&table.embedding_bag(&indices, with(BagMode::Mean))?.select(0, 0)?, &sums.select(0, 0)?.div(3.0)?)?;
    close(&table.embedding_bag(&indices, with(BagMode::Max))?.select(0, 0)?, &row(4)?.maximum(&row(1)?)?)?;
    assert!(table.embedding_bag(&Tensor::new([5i64])?, with(BagMode::Sum)).is_err());
    let short = table.embedding_renorm(&indices, 0.1, 2.0)?.vector_norm(2.0, -1, false)?.to_vec::<f64>()?;
    assert!([0, 1, 4].iter().all(|&i| short[i] < 0.1 + 1e-6) && short[2] > 0.1);
    Ok(())
}

/// The sum over all alignments, one by one.
#[test]
fn ctc_by_enumeration() -> Result<()> {
    let (time, classes, labels) = (4usize, 3usize, [1i64, 1]);
    let log_p = uniform(&[time, 1, classes], 8)?.log_softmax(2)?;
    let p = log_p.exp()?.to_vec::<f64>()?;
    let mut total = 0.0;
    for path in 0..classes.pow(time as u32) {
        let steps: Vec<usize> = (0..time).map(|t| path / classes.pow(t as u32) % classes).collect();
        let mut said: Vec<i64> = Vec::new();
        for (t, &c) in steps.iter().enumerate() {
            if c != 0 && (t == 0 || steps[t - 1] != c) {
                said.push(c as i64);
            }
        }
        if said == labels {
            total += steps.iter().enumerate().map(|(t, &c)| p[t * classes + c]).product::<f64>();
        }
    }
    let one = |n: i64| Tensor::new([n]);
    let options = CtcLoss { reduction: LossReduction::Sum, ..CtcLoss::default() };
    let loss = log_p.ctc_loss(&Tensor::new([labels])?, &one(time as i64)?, &one(2)?, options)?;
    assert!((loss.item::<f64>()? + total.ln()).abs() < 1e-12);
    assert!(log_p.ctc_loss(&Tensor::new([[1i64, 3]])?, &one(4)?, &one(2)?, options).is_err(), "a label that is no class");
    Ok(())
}
