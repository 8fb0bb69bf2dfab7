//! Batch normalisation and softmax: statistics against loops, modes, keys.

use rushlight_autograd::Autograd;
use rushlight_nn::{BatchNorm1d, BatchNorm2d, Forward, LogSoftmax, Module, Softmax};
use rushlight_tensor::{DType, Result, Tensor};

fn values(t: &Tensor) -> Vec<f64> {
    t.detach().to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

fn close(a: &[f64], b: &[f64]) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} and {b:?}");
}

/// Mean, biased and unbiased variance.
fn moments(v: &[f64]) -> [f64; 3] {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    let sum: f64 = v.iter().map(|x| (x - mean).powi(2)).sum();
    [mean, sum / n, sum / (n - 1.0)]
}

#[test]
fn batch_norm_in_training_and_evaluation() -> Result<()> {
    let m = BatchNorm1d::builder(2).dtype(DType::F64).build()?;
    let keys: Vec<String> = m.state_dict().into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
    m.weight.as_ref().unwrap().set(&Tensor::new([2.0f64, 1.0])?)?;
    m.bias.as_ref().unwrap().set(&Tensor::new([0.5f64, 0.0])?)?;

    let x = Tensor::new([[1.0f64, -1.0], [2.0, 3.0], [4.0, 0.5]])?.requires_grad()?;
    let columns = [[1.0, 2.0, 4.0], [-1.0, 3.0, 0.5]];
    let [[m0, v0, u0], [m1, v1, u1]] = columns.map(|c| moments(&c));
    let y = m.forward(&x)?;
    let expected = |mean: [f64; 2], var: [f64; 2]| -> Vec<f64> {
        let item = |i: usize, c: usize| (columns[c][i] - mean[c]) / (var[c] + 1e-5).sqrt() * [2.0, 1.0][c] + [0.5, 0.0][c];
        (0..3).flat_map(|i| [item(i, 0), item(i, 1)]).collect()
    };
    close(&values(&y), &expected([m0, m1], [v0, v1]));
    let (mean, var) = ([0.1 * m0, 0.1 * m1], [0.9 + 0.1 * u0, 0.9 + 0.1 * u1]);
    close(&values(&m.running_mean.as_ref().unwrap().tensor()), &mean);
    close(&values(&m.running_var.as_ref().unwrap().tensor()), &var);
    assert_eq!(m.num_batches_tracked.as_ref().unwrap().tensor().item::<i64>()?, 1);
    // A batch's output does not depend on a shift of the batch.
    y.sum()?.backward()?;
    close(&values(&x.grad().unwrap()), &[0.0; 6]);

    m.eval();
    close(&values(&m.forward(&x)?), &expected(mean, var));
    assert_eq!(m.num_batches_tracked.as_ref().unwrap().tensor().item::<i64>()?, 1, "evaluation changes nothing");
    Ok(())
}

#[test]
fn batch_norm_options() -> Result<()> {
    // Without momentum all batches count the same.
    let m = BatchNorm1d::builder(1).momentum(None).affine(false).dtype(DType::F64).build()?;
    m.forward(&Tensor::new([[1.0f64], [3.0]])?)?;
    m.forward(&Tensor::new([[5.0f64], [7.0]])?)?;
    close(&values(&m.running_mean.as_ref().unwrap().tensor()), &[4.0]);
    assert_eq!(m.state_dict().len(), 3);
    // Without statistics the batch's are used in evaluation too.
    let m = BatchNorm2d::builder(1).track_running_stats(false).build()?;
    m.eval();
    let y = values(&m.forward(&Tensor::new([1.0f32, 3.0]).and_then(|t| t.reshape([2, 1, 1, 1]))?)?);
    assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
    assert_eq!(m.state_dict().len(), 2);

    let error = BatchNorm2d::new(3)?.forward(&Tensor::ones([2, 4, 5, 5], ())?).unwrap_err().to_string();
    assert!(error.contains("3 channels") && error.contains("[2, 4, 5, 5]"), "{error}");
    assert!(BatchNorm2d::new(3)?.forward(&Tensor::ones([2, 3], ())?).is_err());
    assert_eq!(BatchNorm2d::new(3)?.to_string(), "BatchNorm2d(3, eps=0.00001, momentum=0.1, affine=True, track_running_stats=True)");
    Ok(())
}

#[test]
fn softmaxes() -> Result<()> {
    let x = Tensor::new([[1.0f64, 2.0, 4.0], [0.0, 0.0, 0.0]])?;
    let total = 1f64.exp() + 2f64.exp() + 4f64.exp();
    let y = values(&Softmax::new(-1)?.forward(&x)?);
    close(&y, &[1f64.exp() / total, 2f64.exp() / total, 4f64.exp() / total, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    let logs: Vec<f64> = y.iter().map(|v| v.ln()).collect();
    close(&values(&LogSoftmax::new(1)?.forward(&x)?), &logs);
    Ok(())
}
