//! Regions of mixed precision, and loss scaling. Types and numbers are PyTorch's.

use rushlight_autograd::Autograd;
use rushlight_nn::{
    AttentionArgs, BatchNorm2d, Conv2d, Forward, GRU, GRUCell, LSTM, LSTMCell, LayerNorm, Linear, Module, MultiheadAttention, Parameter,
    RNN, RNNCell, ReLU, sequential,
};
use rushlight_optim::{GradScaler, Optimizer, SGD};
use rushlight_tensor::{DType, LossReduction, Result, Tensor, autocast, autocast_dtype, linalg, manual_seed, no_autocast};

#[test]
fn types_inside_of_a_region() -> Result<()> {
    manual_seed(0);
    let (a, x) = (Tensor::randn([4, 4], ())?, Tensor::randn([2, 3, 8, 8], ())?);
    for half in [DType::BF16, DType::F16] {
        autocast(half, || {
            assert_eq!(autocast_dtype(), Some(half));
            let b = a.matmul(&a)?;
            let half_results = [
                b.clone(),
                b.softmax(-1)?,
                b.gelu()?,
                b.sum()?,
                LayerNorm::new(4)?.forward(&b)?,
                BatchNorm2d::new(3)?.forward(&x.to_dtype(half)?)?,
                Conv2d::new(3, 2, 3)?.forward(&x)?,
                x.scaled_dot_product_attention(&x, &x, Default::default())?,
                MultiheadAttention::new(4, 2)?.forward(&a, &a, &a, AttentionArgs::default())?.0,
            ];
            for (i, y) in half_results.iter().enumerate() {
                assert_eq!(y.dtype(), half, "result {i}");
            }
            let classes = Tensor::new([0i64, 1, 2, 3])?;
            let full_results = [
                b.add(&a)?,
                Tensor::cat(&[&b, &a], 0)?,
                b.mse_loss(&b, LossReduction::Mean)?,
                b.l1_loss(&b, LossReduction::Mean)?,
                b.cross_entropy(&classes)?,
                b.log_softmax(-1)?.nll_loss(&classes, None, -100, LossReduction::Mean)?,
                linalg::svdvals(&b)?,
            ];
            for (i, y) in full_results.iter().enumerate() {
                assert_eq!(y.dtype(), DType::F32, "result {i}");
            }
            let double = a.to_dtype(DType::F64)?;
            assert_eq!(double.matmul(&double)?.dtype(), DType::F64);
            assert_eq!(no_autocast(|| a.matmul(&a))?.dtype(), DType::F32);
            Ok::<_, rushlight_tensor::Error>(())
        })?;
    }
    assert_eq!((autocast_dtype(), a.matmul(&a)?.dtype()), (None, DType::F32));
    // The numbers are those of operands that were rounded.
    let rounded = a.to_dtype(DType::BF16)?;
    let (got, wanted) = (autocast(DType::BF16, || a.matmul(&a))?, rounded.matmul(&rounded)?);
    assert_eq!(got.to_dtype(DType::F32)?.to_vec::<f32>()?, wanted.to_dtype(DType::F32)?.to_vec::<f32>()?);
    Ok(())
}

/// PyTorch 2.15's types on the CPU. Where the state is added to itself it stays wide, and the next products are narrow again.
#[test]
fn recurrent_layers_in_a_region() -> Result<()> {
    let (half, full) = (DType::BF16, DType::F32);
    let x = Tensor::ones([3, 2, 4], ())?;
    autocast(half, || {
        let (y, (h, c)) = LSTM::new(4, 5)?.forward_with(&x, None)?;
        assert_eq!([y.dtype(), h.dtype(), c.dtype()], [half; 3]);
        let (y, (h, c)) = LSTM::builder(4, 5).proj_size(3).build()?.forward_with(&x, None)?;
        assert_eq!([y.dtype(), h.dtype(), c.dtype()], [half, half, full]);
        let gru = GRU::builder(4, 5).num_layers(2).build()?;
        let (y, h) = gru.forward_with(&x, None)?;
        assert_eq!([y.dtype(), h.dtype()], [full; 2]);
        y.sum()?.backward()?;
        assert!(gru.parameters().iter().all(|p| p.grad().unwrap().dtype() == full));
        assert_eq!(RNN::new(4, 5)?.forward(&x)?.dtype(), half);
        let one = x.select(0, 0)?;
        assert_eq!(RNNCell::new(4, 5)?.forward(&one, None)?.dtype(), half);
        assert_eq!(GRUCell::new(4, 5)?.forward(&one, None)?.dtype(), full);
        let (h, c) = LSTMCell::new(4, 5)?.forward(&one, None)?;
        assert_eq!([h.dtype(), c.dtype()], [full; 2]);
        assert!(GRU::new(3, 5)?.forward(&x).is_err());
        Ok(())
    })
}

#[test]
fn gradients_through_a_region() -> Result<()> {
    manual_seed(1);
    let net = sequential![Linear::new(6, 8)?, ReLU::new(), Linear::new(8, 3)?];
    let (x, classes) = (Tensor::randn([5, 6], ())?, Tensor::new([0i64, 1, 2, 0, 1])?);
    let run = |half: bool, inside: bool| -> Result<Vec<Tensor>> {
        net.zero_grad();
        let loss = || net.forward(&x)?.cross_entropy(&classes);
        match (half, inside) {
            (false, _) => loss()?.backward()?,
            (true, false) => autocast(DType::BF16, loss)?.backward()?,
            (true, true) => autocast(DType::BF16, || loss()?.backward())?,
        }
        Ok(net.parameters().iter().map(|p| p.grad().unwrap()).collect())
    };
    let (full, outside, inside) = (run(false, false)?, run(true, false)?, run(true, true)?);
    for ((f, o), i) in full.iter().zip(&outside).zip(&inside) {
        assert_eq!((o.dtype(), i.dtype()), (DType::F32, DType::F32));
        // Backward is the same inside of the region and after it.
        assert_eq!(o.to_vec::<f32>()?, i.to_vec::<f32>()?);
        assert!(f.sub(o)?.abs()?.max()?.to_f64()? < 0.02);
    }
    Ok(())
}

#[test]
fn the_scale_grows_and_shrinks() -> Result<()> {
    let p = Parameter::new(Tensor::new([1.0f32, 2.0])?)?;
    let mut optimizer = SGD::new([p.clone()], 0.5).build()?;
    let mut scaler = GradScaler::new().init_scale(4.0).growth_interval(2);
    let mut step = |scaler: &mut GradScaler, factor: f32| -> Result<bool> {
        optimizer.zero_grad();
        scaler.scale(&p.tensor().mul(&Tensor::new([factor, 1.0])?)?.sum()?)?.backward()?;
        scaler.step(&mut optimizer)
    };
    assert!(scaler.update().is_err());
    assert!(step(&mut scaler, 1.0)?);
    assert!(step(&mut scaler, 1.0).is_err(), "a second step without an update");
    scaler.update()?;
    assert!(step(&mut scaler, 1.0)?);
    scaler.update()?;
    assert_eq!(scaler.get_scale(), 8.0);
    // An infinite gradient: no step, half the scale.
    assert!(!step(&mut scaler, f32::INFINITY)?);
    scaler.update()?;
    assert_eq!(scaler.get_scale(), 4.0);
    assert_eq!(p.tensor().detach().to_vec::<f32>()?, [0.0, 1.0]);

    let mut other = GradScaler::new();
    other.load_state_dict(&scaler.state_dict())?;
    assert_eq!(format!("{:?}", other.state_dict()), format!("{:?}", scaler.state_dict()));

    // Divided before it is looked at, and only once.
    optimizer.zero_grad();
    scaler.scale(&p.tensor().sum()?)?.backward()?;
    scaler.unscale_(&optimizer)?;
    assert_eq!(p.grad().unwrap().to_vec::<f32>()?, [1.0, 1.0]);
    assert!(scaler.unscale_(&optimizer).is_err());
    assert!(scaler.step(&mut optimizer)?);
    assert_eq!(p.tensor().detach().to_vec::<f32>()?, [-0.5, 0.5]);

    optimizer.zero_grad();
    scaler.update()?;
    assert!(scaler.step(&mut optimizer).is_err(), "no gradients");
    assert!(GradScaler::new().growth_factor(1.0).scale(&p.tensor().sum()?).is_err());
    assert!(GradScaler::new().backoff_factor(1.5).scale(&p.tensor().sum()?).is_err());

    let mut off = GradScaler::new().enabled(false);
    assert_eq!((off.get_scale(), off.is_enabled()), (1.0, false));
    off.update()
}

/// The step size of a group is an option that may change between steps.
#[test]
fn another_learning_rate_through_the_groups() -> Result<()> {
    let (p, q) = (Parameter::new(Tensor::new([1.0f32])?)?, Parameter::new(Tensor::new([1.0f32])?)?);
    let mut optimizer = SGD::new([p.clone()], 0.1).build()?;
    optimizer.add_group([q.clone()], rushlight_optim::SgdOptions { lr: 0.2, ..Default::default() })?;
    for group in optimizer.groups_mut() {
        group.options.lr *= 10.0;
    }
    assert_eq!(optimizer.lrs(), [1.0, 2.0]);
    p.tensor().add(&q.tensor())?.sum()?.backward()?;
    optimizer.step()?;
    assert_eq!((p.tensor().detach().to_vec::<f32>()?, q.tensor().detach().to_vec::<f32>()?), (vec![0.0], vec![-1.0]));
    optimizer.set_lr(0.5);
    assert_eq!(optimizer.lrs(), [0.5, 0.5]);
    Ok(())
}
