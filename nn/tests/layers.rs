//! Layers: PyTorch's initial weights, results against loops and closed forms, errors.

use std::sync::Mutex;

use rushlight_autograd::Autograd;
use rushlight_nn::models::Gpt;
use rushlight_nn::utils::rnn::{
    PaddingSide, pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence, unpack_sequence, unpad_sequence,
};
use rushlight_nn::{
    AdaptiveAvgPool2d, AvgPool2d, Conv1d, Conv2d, CrossEntropyLoss, Dropout, ELU, Embedding, Flatten, Forward, GELU, GRU, LSTM, LSTMCell,
    LeakyReLU, Linear, Loss, MSELoss, MaxPool2d, Module, NLLLoss, PixelShuffle, ReLU, ReplicationPad1d, Sequential, sequential,
};
use rushlight_tensor::{DType, LossReduction, Padding, Result, Tensor, manual_seed};

/// Tests that draw from the default generator take turns.
static DRAW: Mutex<()> = Mutex::new(());

fn seeded<T>(seed: u64, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let _turn = DRAW.lock().unwrap_or_else(|e| e.into_inner());
    manual_seed(seed);
    f()
}

fn values(t: &Tensor) -> Vec<f64> {
    t.detach().to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// The first three values and the last.
fn ends(t: &Tensor) -> [f64; 4] {
    let v = values(t);
    [v[0], v[1], v[2], v[v.len() - 1]]
}

#[test]
fn initial_weights_are_pytorchs() -> Result<()> {
    let (m, tail) = seeded(0, || Ok((Linear::builder(7, 5).dtype(DType::F64).build()?, Tensor::randint(0, 65536, 2, ())?)))?;
    let weight = [0.3553266702284383, 0.15709705105742983, -0.03070360899203768, -0.013979770285993637];
    let bias = [0.3156047287920848, 0.05445690220153174, -0.014491593927154595, -0.09980514428424378];
    assert_eq!((ends(&m.weight.tensor()), ends(&m.bias.unwrap().tensor())), (weight, bias));
    assert_eq!(tail.to_vec::<i64>()?, [46522, 47647], "as many numbers are drawn");

    let m = seeded(48, || Conv2d::builder(4, 8, [3, 2]).groups(2).build())?;
    assert_eq!(m.weight.shape(), [8, 2, 3, 2]);
    assert_eq!(ends(&m.weight.tensor()), [-0.01298544742166996, -0.18484264612197876, -0.148519366979599, -0.21195800602436066]);
    assert_eq!(ends(&m.bias.unwrap().tensor()), [-0.2550952434539795, 0.026940060779452324, 0.14226549863815308, 0.26709774136543274]);

    let m = seeded(12, || Embedding::builder(10, 3).padding_idx(2).build())?;
    assert_eq!(ends(&m.weight.tensor()), [-0.13201288878917694, -0.1254376322031021, 0.3443123996257782, 0.18076187372207642]);
    assert_eq!(values(&m.weight.tensor())[6..9], [0.0; 3]);
    Ok(())
}

#[test]
fn linear_against_a_loop() -> Result<()> {
    let m = seeded(1, || Linear::builder(3, 2).dtype(DType::F64).build())?;
    let x = Tensor::new([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]])?;
    let (w, b, xs) = (values(&m.weight.tensor()), values(&m.bias.as_ref().unwrap().tensor()), values(&x));
    let y = m.forward(&x)?;
    for (i, y) in values(&y).into_iter().enumerate() {
        let (row, out) = (i / 2, i % 2);
        let wanted: f64 = b[out] + (0..3).map(|k| xs[3 * row + k] * w[3 * out + k]).sum::<f64>();
        assert!((y - wanted).abs() < 1e-12);
    }
    // The gradient of the sum with respect to the bias counts the rows; that of the weight sums the inputs.
    y.sum()?.backward()?;
    assert_eq!(values(&m.bias.as_ref().unwrap().grad().unwrap()), [2.0, 2.0]);
    assert_eq!(values(&m.weight.grad().unwrap()), [0.0, 2.5, 5.0, 0.0, 2.5, 5.0]);
    let error = m.forward(&Tensor::zeros([2, 4], DType::F64)?).unwrap_err().to_string();
    assert!(error.contains("in_features") && error.contains("[2, 4]"), "{error}");
    Ok(())
}

#[test]
fn sequential_convolution_net() -> Result<()> {
    let net = seeded(0, || {
        Ok(sequential![
            Conv2d::builder(1, 4, 3).padding(1).build()?,
            ReLU::new(),
            MaxPool2d::new(2)?,
            Conv2d::builder(4, 6, 3).padding(Padding::Same).bias(false).build()?,
            AdaptiveAvgPool2d::new(2)?,
            Flatten::new(),
            Linear::new(24, 3)?,
        ])
    })?;
    let keys: Vec<String> = net.state_dict().into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, ["0.weight", "0.bias", "3.weight", "6.weight", "6.bias"]);
    assert_eq!(net.num_parameters(), 36 + 4 + 6 * 36 + 72 + 3);
    let x = Tensor::ones([2, 1, 8, 8], ())?;
    let loss = CrossEntropyLoss::new().forward(&net.forward(&x)?, &Tensor::new([0i64, 2])?)?;
    loss.backward()?;
    assert!(net.parameters().iter().all(|p| p.grad().is_some_and(|g| g.shape() == p.shape())));
    net.zero_grad();
    assert!(net.parameters().iter().all(|p| p.grad().is_none()));

    let error = net.forward(&Tensor::ones([2, 3, 8, 8], ())?).unwrap_err().to_string();
    assert!(error.contains("in layer `0`, Conv2d"), "{error}");
    assert!(
        net.to_string().starts_with("Sequential(\n  (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n  (1): ReLU()\n")
    );
    assert!(net.to_string().contains("  (6): Linear(in_features=24, out_features=3, bias=True)\n"));
    assert_eq!(Sequential::new().forward(&x)?.shape(), x.shape());
    Ok(())
}

#[test]
fn what_cannot_be_built_says_why() {
    let says = |e: Option<rushlight_tensor::Error>, words: &str| {
        let text = e.expect("an error").to_string();
        assert!(text.contains(words), "{text}");
    };
    says(Conv2d::builder(3, 8, 3).groups(2).build().err(), "divisible by groups 2");
    says(Conv2d::new(3, 8, [3, 3, 3]).err(), "kernel_size");
    says(Conv1d::builder(3, 8, 3).stride(0).build().err(), "stride");
    says(Conv2d::builder(3, 8, 3).padding(-1).build().err(), "padding");
    says(Dropout::new(1.5).err(), "0 to 1");
    says(Embedding::builder(4, 2).padding_idx(4).build().err(), "padding_idx 4");
    says(MaxPool2d::new(0).err(), "kernel_size");
    says(AvgPool2d::builder(2).divisor_override(0).build().err(), "divisor_override");
    says(AdaptiveAvgPool2d::new([1, 2, 3]).err(), "output_size");
    says(Linear::builder(2, 2).dtype(DType::I64).build().err(), "int64");
    says(GRU::new(0, 2).err(), "input_size");
    // Sizes whose products are beyond all numbers.
    for huge in [usize::MAX, usize::MAX / 2] {
        assert!(LSTM::new(3, huge).is_err() && LSTMCell::new(3, huge).is_err() && Linear::new(2, huge).is_err());
        assert!(Conv2d::new(huge, 2, 3).is_err() && Conv2d::new(2, huge, 3).is_err());
        assert!(ReplicationPad1d::new((huge / 4) as isize).and_then(|p| p.forward(&Tensor::zeros([1, 1, 4], ())?)).is_err());
        assert!(PixelShuffle::new(huge).and_then(|p| p.forward(&Tensor::zeros([1, 4, 2, 2], ())?)).is_err());
    }
    let (x, classes) = (Tensor::zeros([2, 3], ()).unwrap(), Tensor::new([0i64, 1]).unwrap());
    says(NLLLoss::builder().weight(Tensor::ones(2, ()).unwrap()).build().unwrap().forward(&x, &classes).err(), "3 classes");
}

#[test]
fn an_embeddings_padding_row_gets_no_gradient() -> Result<()> {
    let m = seeded(0, || Embedding::builder(4, 2).padding_idx(-1).dtype(DType::F64).build())?;
    let y = m.forward(&Tensor::new([[0i64, 3], [0, 1]])?)?;
    assert_eq!(y.shape(), [2, 2, 2]);
    y.sum()?.backward()?;
    assert_eq!(values(&m.weight.grad().unwrap()), [2.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn dropout_scales_what_it_keeps() -> Result<()> {
    let m = Dropout::new(0.25)?;
    let x = Tensor::ones([1000], DType::F64)?;
    let y = seeded(3, || m.forward(&x))?;
    let kept = values(&y).iter().filter(|&&v| v != 0.0).count();
    assert!(values(&y).iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-12));
    assert!((700..800).contains(&kept), "{kept} of 1000 kept");
    m.eval();
    assert_eq!(values(&m.forward(&x)?), values(&x));
    assert_eq!(values(&rushlight_nn::functional::dropout(&x, 1.0, true)?), [0.0; 1000]);
    Ok(())
}

#[test]
fn activations_in_place_and_not() -> Result<()> {
    let layers = sequential![LeakyReLU::builder().negative_slope(0.1).build()?, ELU::new(), GELU::new(), ReLU::new()];
    let x = Tensor::new([-2.0f64, -0.5, 0.0, 1.0])?;
    for (_, layer) in layers.iter() {
        assert_eq!(values(&layer.forward(&x)?), values(&layer.forward_owned(x.mul(1.0)?)?), "{}", layer.repr());
    }
    assert_eq!(values(&x), [-2.0, -0.5, 0.0, 1.0]);
    assert_eq!(values(&layers.iter().next().unwrap().1.forward(&x)?), [-0.2, -0.05, 0.0, 1.0]);
    // Under the tape a layer may compute in place only what no derivative reads.
    let leaf = x.requires_grad()?;
    layers.forward(&leaf.mul(1.0)?)?.sum()?.backward()?;
    let whole = leaf.grad().unwrap();
    let eps = 1e-6;
    for (i, g) in values(&whole).into_iter().enumerate().filter(|(i, _)| *i != 2) {
        let at = |d: f64| {
            let mut v = values(&x);
            v[i] += d;
            values(&layers.forward(&Tensor::new(v).unwrap()).unwrap()).iter().sum::<f64>()
        };
        let numeric = (at(eps) - at(-eps)) / (2.0 * eps);
        assert!((g - numeric).abs() < 1e-6, "element {i}: {g} and {numeric}");
    }
    Ok(())
}

#[test]
fn losses_against_closed_forms() -> Result<()> {
    let logits = Tensor::new([[1.0f64, 2.0, 0.5], [0.0, 0.0, 3.0]])?;
    let target = Tensor::new([1i64, 2])?;
    let item = |row: &[f64], class: usize| row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[class];
    let (a, b) = (item(&[1.0, 2.0, 0.5], 1), item(&[0.0, 0.0, 3.0], 2));
    let close = |t: Tensor, wanted: f64| assert!((values(&t)[0] - wanted).abs() < 1e-12, "{:?} and {wanted}", values(&t));
    close(CrossEntropyLoss::new().forward(&logits, &target)?, (a + b) / 2.0);
    let weight = Tensor::new([1.0f64, 3.0, 2.0])?;
    let weighted = CrossEntropyLoss::builder().weight(weight).build()?;
    close(weighted.forward(&logits, &target)?, (3.0 * a + 2.0 * b) / 5.0);
    assert_eq!(weighted.state_dict()[0].0, "weight");
    let sum = CrossEntropyLoss::builder().reduction(LossReduction::Sum).ignore_index(2).build()?;
    close(sum.forward(&logits, &target)?, a);
    close(NLLLoss::new().forward(&logits, &target)?, -(2.0 + 3.0) / 2.0);
    let none = MSELoss::builder().reduction(LossReduction::None).build()?;
    assert_eq!(values(&none.forward(&logits, &logits.add(2.0)?)?), [4.0; 6]);
    close(MSELoss::new().forward(&logits, &logits.add(2.0)?)?, 4.0);
    Ok(())
}

/// What is generated with caches is what the whole sequence says at each of its places, and a cache takes tokens by any number at a time.
#[test]
fn generation() -> Result<()> {
    let (gpt, prompt) =
        seeded(3, || Ok((Gpt::builder(20, 100).width(16).heads(4).layers(2).build()?, Tensor::randint(0, 20, [2, 3], ())?)))?;
    let all = gpt.generate(&prompt, 80)?;
    let scores = gpt.forward(&all.narrow(1, 0, 82)?)?.detach();
    assert_eq!(scores.narrow(1, 2, 80)?.argmax_dim(-1, false)?.to_vec::<i64>()?, all.narrow(1, 3, 80)?.to_vec::<i64>()?);

    let mut caches = gpt.caches();
    for (start, len) in [(0, 5), (5, 1), (6, 70), (76, 6)] {
        let got = gpt.next(&all.narrow(1, start, len)?, &mut caches)?.detach();
        assert!(got.allclose(&scores.select(1, start + len as isize - 1)?, 1e-4, 1e-5, false)?, "tokens from {start}");
    }
    assert_eq!(caches[0].len(), 82);
    let e = gpt.next(&all.narrow(1, 0, 19)?, &mut caches).unwrap_err().to_string();
    assert!(e.contains("101 tokens are more than its 100 positions"), "{e}");
    let one = Tensor::zeros([1, 4, 1, 4], ())?;
    assert!(caches[0].append(&one, &one).is_err());
    assert_eq!(caches[0].len(), 82);
    Ok(())
}

/// Sequences of different lengths against each of them alone: outputs, states and gradients.
#[test]
fn packed_sequences() -> Result<()> {
    let f64s = |n: usize| seeded(n as u64, || Tensor::randn([n, 3], DType::F64));
    let sequences = [f64s(2)?, f64s(5)?, f64s(1)?, f64s(4)?];
    let lstm = LSTM::builder(3, 4).num_layers(2).bidirectional(true).proj_size(2).dtype(DType::F64).build()?;
    let (h, c) = seeded(9, || Ok((Tensor::randn([4, 4, 2], DType::F64)?, Tensor::randn([4, 4, 4], DType::F64)?)))?;
    let close = |a: &Tensor, b: &Tensor| -> Result<()> {
        assert_eq!(a.shape(), b.shape());
        assert!(a.sub(b)?.abs()?.max()?.to_f64()? < 1e-14, "{a} {b}");
        Ok(())
    };
    let gradients = || lstm.parameters().iter().map(|p| p.grad().unwrap()).collect::<Vec<_>>();

    let packed = pack_sequence(&sequences, false)?;
    assert_eq!((packed.batch_sizes(), packed.sorted_indices()), (&[4, 3, 2, 2, 1][..], Some(&[1, 3, 0, 2][..])));
    assert_eq!(packed.unsorted_indices(), Some(vec![2, 0, 3, 1]));
    let (y, (last_h, last_c)) = lstm.forward_packed(&packed, Some((&h, &c)))?;
    y.data().square()?.sum()?.add(&last_c.sum()?)?.add(&last_h.square()?.sum()?)?.backward()?;
    let together = gradients();
    let outputs = unpack_sequence(&y)?;
    lstm.zero_grad();
    for (i, x) in sequences.iter().enumerate() {
        let own = |t: &Tensor| t.select(1, i as isize);
        let (y, (one_h, one_c)) = lstm.forward_with(x, Some((&own(&h)?, &own(&c)?)))?;
        close(&y, &outputs[i])?;
        close(&one_h, &own(&last_h)?)?;
        close(&one_c, &own(&last_c)?)?;
        y.square()?.sum()?.add(&one_c.sum()?)?.add(&one_h.square()?.sum()?)?.backward()?;
    }
    for (a, b) in together.iter().zip(gradients()) {
        close(a, &b)?;
    }

    // PyTorch's numbers, with dropout drawn over the steps as they are packed.
    let gru = seeded(3, || GRU::builder(3, 4).num_layers(2).bidirectional(true).dropout(0.5).build())?;
    let waves = |n: usize| Tensor::arange(0, 3 * n as i64, 1, DType::F32)?.reshape([n, 3])?.sin();
    let packed_waves = pack_sequence(&[waves(2)?, waves(5)?, waves(1)?, waves(4)?], false)?;
    let (y, h) = seeded(5, || gru.forward_packed(&packed_waves, None))?;
    assert!((values(y.data()).iter().sum::<f64>() + 3.874045791104436).abs() < 1e-5);
    assert!((values(&h).iter().sum::<f64>() + 0.6156648863106966).abs() < 1e-5);
    let wanted = [0.004235381260514259, 0.04643682390451431, -0.2599228024482727, -0.062466006726026535];
    assert!(values(&h.select(0, 2)?.select(0, 3)?).iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6));

    // Padded, and back; PyTorch's layout of the steps.
    let (padded, lengths) = pad_packed_sequence(&packed, false, -1.0, Some(6))?;
    assert_eq!((padded.shape(), &lengths[..]), (&[6, 4, 3][..], &[2, 5, 1, 4][..]));
    assert_eq!(values(&padded.select(0, 5)?), [-1.0; 12]);
    close(&pad_sequence(&sequences, false, -1.0, PaddingSide::Right)?, &padded.narrow(0, 0, 5usize)?)?;
    for (a, b) in unpad_sequence(&padded, &lengths, false)?.iter().zip(&sequences) {
        close(a, b)?;
    }
    let left = pad_sequence(&sequences, true, 0.0, PaddingSide::Left)?;
    close(&left.select(0, 3)?.narrow(0, 1, 4usize)?, &sequences[3])?;
    let numbers = Tensor::arange(0, 6, 1, DType::I64)?.reshape([2, 3])?;
    assert_eq!(pack_padded_sequence(&numbers, &[3, 2], true, true)?.data().to_vec::<i64>()?, [0, 3, 1, 4, 2]);
    for (lengths, sorted) in [(&[2, 3][..], true), (&[3, 0], false), (&[4, 1], false), (&[3], false)] {
        assert!(pack_padded_sequence(&numbers, lengths, true, sorted).is_err(), "{lengths:?}");
    }
    assert!(pad_packed_sequence(&packed, false, 0.0, Some(4)).is_err());
    assert!(GRU::new(4, 2)?.forward_packed(&packed, None).is_err(), "steps of another size");
    assert!(pad_sequence(&[], false, 0.0, PaddingSide::Right).is_err());
    Ok(())
}
