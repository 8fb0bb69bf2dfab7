//! Hooks, summaries, parametrisations, pruning, folding; and the first examples of every course.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rushlight_autograd::Autograd;
use rushlight_nn::utils::parametrizations::{OrthogonalMap, SpectralNormOptions, orthogonal, spectral_norm, weight_norm};
use rushlight_nn::utils::parametrize::{Parametrization, is_parametrized, register_parametrization, remove_parametrizations};
use rushlight_nn::utils::prune::{self, Amount};
use rushlight_nn::utils::{fuse_conv_bn_eval, fuse_linear_bn_eval};
use rushlight_nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, Forward, Hooked, LSTM, Linear, MaxPool2d, Module,
    MultiheadAttention, Parameter, ReLU, TransformerEncoderLayer, functional, sequential, summary,
};
use rushlight_tensor::{DType, Device, Error, Result, Tensor, manual_seed};

/// Held by every test: they seed the default generator and draw from it.
fn alone() -> MutexGuard<'static, ()> {
    static DRAWS: Mutex<()> = Mutex::new(());
    DRAWS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keys(m: &impl Module) -> Vec<String> {
    m.state_dict().into_iter().map(|(k, _)| k).collect()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

fn close(x: &Tensor, y: &[f64], tolerance: f64) {
    let x = values(x);
    assert_eq!(x.len(), y.len());
    assert!(x.iter().zip(y).all(|(a, b)| (a - b).abs() <= tolerance), "{x:?}, wanted {y:?}");
}

/// A layer as a user writes it.
#[derive(Module)]
struct Scale {
    by: Parameter,
}

impl Forward for Scale {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mul(&self.by.tensor())
    }
}

#[test]
fn a_layer_of_ones_own() -> Result<()> {
    let _alone = alone();
    let scale = Scale { by: Parameter::new(Tensor::new([2.0f32, 3.0])?)? };
    scale.forward(&Tensor::new([5.0f32, 7.0])?)?.sum()?.backward()?;
    close(&scale.by.grad().unwrap(), &[5.0, 7.0], 0.0);
    assert_eq!(keys(&sequential![scale]), ["0.by"]);
    Ok(())
}

#[test]
fn modules_and_their_functions() -> Result<()> {
    let _alone = alone();
    manual_seed(1);
    let x = Tensor::randn([3, 5], ())?;
    let layer = Linear::new(5, 4)?;
    let bias = layer.bias.as_ref().map(Parameter::tensor);
    close(&layer.forward(&x)?, &values(&functional::linear(&x, &layer.weight.tensor(), bias.as_ref())?), 0.0);
    close(&ReLU::new().forward(&x)?, &values(&functional::relu(&x)?), 0.0);
    Ok(())
}

#[test]
fn names_and_types() -> Result<()> {
    let _alone = alone();
    let net = sequential![Linear::new(2, 3)?, sequential![ReLU::new(), Linear::new(3, 1)?]];
    let expected = [("", "Sequential"), ("0", "Linear"), ("1", "Sequential"), ("1.0", "ReLU"), ("1.1", "Linear")];
    assert_eq!(net.named_modules(), expected.map(|(n, t)| (n.to_string(), t)));
    assert_eq!(net.named_children().len(), 2);
    let mut seen = Vec::new();
    net.apply(&mut |name, _| seen.push(name.to_string()));
    assert_eq!(seen, ["0", "1.0", "1.1", "1", ""]);
    assert_eq!(net.get_parameter("1.1.weight").unwrap().shape(), [1, 3]);
    net.to(Device::cpu(), DType::F64)?;
    assert!(net.parameters().iter().all(|p| p.dtype() == DType::F64));
    Ok(())
}

#[test]
fn hooks_see_and_change_what_goes_by() -> Result<()> {
    let _alone = alone();
    manual_seed(0);
    let layer = Hooked::new(Linear::new(3, 2)?);
    let (x, w) = (Tensor::randn([4, 3], ())?.requires_grad()?, layer.weight.tensor().detach());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |text: &'static str| {
        let seen = seen.clone();
        move || seen.lock().unwrap().push(text.to_string())
    };
    let (before, after, back_before, back) = (note("before"), note("after"), note("back before"), note("back"));
    let handles = [
        layer.register_forward_pre_hook(move |_, x| {
            before();
            Ok(Some(x.mul(2.0)?))
        }),
        layer.register_forward_hook(move |_, _, y| {
            after();
            Ok(Some(y.mul(3.0)?))
        }),
        layer.register_full_backward_pre_hook(move |_, _| {
            back_before();
            Ok(None)
        }),
        layer.register_full_backward_hook(move |_, grad_in, grad_out| {
            back();
            assert_eq!(grad_out.shape(), [4, 2]);
            Ok(Some(grad_in.unwrap().mul(10.0)?))
        }),
    ];
    let y = layer.forward(&x)?;
    y.sum()?.backward()?;
    assert_eq!(*seen.lock().unwrap(), ["before", "after", "back before", "back"]);
    // The input's gradient: 3 W^T 1, times 10 by the hook and times 2 by what the first hook did to x.
    let expected = w.sum_dim(0, false)?.mul(60.0)?.expand([4, 3])?;
    close(&x.grad().unwrap(), &values(&expected), 1e-4);
    handles.into_iter().for_each(|h| h.remove());
    let plain = x.detach().linear(&w, layer.bias.as_ref().map(Parameter::tensor).as_ref())?;
    close(&layer.forward(&x)?, &values(&plain), 0.0);
    assert_eq!(keys(&layer), ["weight", "bias"]);

    // Where the input needs no gradient there is none to see.
    let times = Arc::new(Mutex::new(0));
    let counter = times.clone();
    layer.register_full_backward_hook(move |_, grad_in, _| {
        assert!(grad_in.is_none());
        *counter.lock().unwrap() += 1;
        Ok(None)
    });
    layer.forward(&x.detach())?.sum()?.backward()?;
    assert_eq!(*times.lock().unwrap(), 1);
    Ok(())
}

#[test]
fn a_summary_of_lenet() -> Result<()> {
    let _alone = alone();
    #[derive(Module)]
    struct Net {
        conv: Conv2d,
        act: ReLU,
        pool: MaxPool2d,
        head: rushlight_nn::Sequential,
    }
    impl Forward for Net {
        fn forward(&self, x: &Tensor) -> Result<Tensor> {
            self.head.forward(&self.pool.forward(&self.act.forward(&self.conv.forward(x)?)?)?)
        }
    }
    let head = sequential![Flatten::new(), Linear::new(6 * 144, 10)?, Dropout::new(0.5)?, ReLU::new(), ReLU::new()];
    let net = Net { conv: Conv2d::new(1, 6, 5)?, act: ReLU::new(), pool: MaxPool2d::new(2)?, head };
    net.conv.requires_grad_(false);
    let table = summary(&net, &Tensor::zeros([2, 1, 28, 28], ())?)?;
    let shapes: Vec<(&str, Vec<usize>)> = table.rows.iter().map(|r| (r.name.as_str(), r.output_shape.clone().unwrap())).collect();
    assert_eq!(shapes[0], ("", vec![2, 10]));
    assert_eq!(shapes[1], ("conv", vec![2, 6, 24, 24]));
    assert_eq!(shapes[2], ("act", vec![2, 6, 24, 24]));
    assert_eq!(shapes[3], ("pool", vec![2, 6, 12, 12]));
    assert_eq!(shapes[5], ("head.0", vec![2, 864]));
    assert!(shapes[6..].iter().all(|(_, s)| s == &[2, 10]));
    assert_eq!((table.total_parameters, table.trainable_parameters), (156 + 8650, 8650));
    // 2 flops for each product and sum.
    assert!(table.rows[6].flops.unwrap() >= 2 * 2 * 864 * 10, "{:?}", table.rows[6]);
    assert!(table.rows[1].flops.unwrap() >= 2 * 2 * 576 * 6 * 25);
    assert!(table.flops >= table.rows[1].flops.unwrap() + table.rows[6].flops.unwrap());
    let text = table.to_string();
    assert!(text.contains("conv (Conv2d)") && text.contains("[2, 6, 24, 24]") && text.contains("Total params: 8,806"), "{text}");
    Ok(())
}

/// Layers that give more than one tensor have rows too.
#[test]
fn a_summary_of_recurrent_and_attentive_layers() -> Result<()> {
    let _alone = alone();
    #[derive(Module)]
    struct Net {
        rnn: LSTM,
        packed: LSTM,
        attention: MultiheadAttention,
        encoder: TransformerEncoderLayer,
    }
    impl Forward for Net {
        fn forward(&self, x: &Tensor) -> Result<Tensor> {
            self.packed.forward_packed(&rushlight_nn::utils::rnn::pack_padded_sequence(x, &[5, 2], false, true)?, None)?;
            let h = self.rnn.forward_with(x, None)?.0;
            self.encoder.forward(&self.attention.forward(&h, &h, &h, Default::default())?.0)
        }
    }
    let net = Net {
        rnn: LSTM::new(3, 8)?,
        packed: LSTM::new(3, 8)?,
        attention: MultiheadAttention::new(8, 2)?,
        encoder: TransformerEncoderLayer::new(8, 2)?,
    };
    let table = summary(&net, &Tensor::zeros([5, 2, 3], ())?)?;
    let row = |name: &str| table.rows.iter().find(|r| r.name == name).unwrap();
    for name in ["rnn", "attention", "encoder", "encoder.self_attn", "encoder.linear1"] {
        assert_eq!((row(name).calls, row(name).output_shape.as_ref().map(|s| &s[..2])), (1, Some(&[5, 2][..])), "{name}");
    }
    assert_eq!((row("packed").calls, row("packed").output_shape.as_deref()), (1, Some(&[7, 8][..])));
    // Two products of ten steps with weights of 32 x 3 and 32 x 8.
    assert!(row("rnn").flops.unwrap() >= 2 * 10 * 32 * 11, "{:?}", row("rnn"));
    Ok(())
}

/// What fails in a parametrisation is the error of the layer that wants the value.
#[test]
fn a_parametrisation_may_fail() -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    let _alone = alone();
    #[derive(Module)]
    struct Fails(#[module(skip)] Arc<AtomicBool>);
    impl Parametrization for Fails {
        fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
            if self.0.load(Ordering::Relaxed) { Err(Error::value("Fails", "as it was told")) } else { Ok(originals[0].clone()) }
        }
    }
    let (linear, conv, rnn, norm) = (Linear::new(3, 3)?, Conv2d::new(1, 1, 1)?, LSTM::new(3, 3)?, BatchNorm1d::new(3)?);
    let attention = MultiheadAttention::new(4, 2)?;
    let parameters = [
        linear.weight.clone(),
        conv.weight.clone(),
        rnn.get_parameter("weight_hh_l0").unwrap(),
        norm.bias.clone().unwrap(),
        attention.out_proj.weight.clone(),
    ];
    let fails = Arc::new(AtomicBool::new(false));
    for p in &parameters {
        register_parametrization(p, Fails(fails.clone()))?;
    }
    fails.store(true, Ordering::Relaxed);
    let (x, y) = (Tensor::ones([2, 3], ())?, Tensor::ones([2, 4], ())?);
    let of = [
        linear.forward(&x),
        conv.forward(&Tensor::ones([1, 1, 2, 2], ())?),
        rnn.forward(&x),
        norm.forward(&x),
        attention.forward(&y, &y, &y, Default::default()).map(|r| r.0),
        fuse_linear_bn_eval(&linear, &norm).map(|_| x.clone()),
    ];
    for (i, result) in of.into_iter().enumerate() {
        assert!(result.unwrap_err().to_string().contains("as it was told"), "{i}");
    }
    Ok(())
}

#[test]
fn weight_norm_keeps_the_weight_and_pytorchs_keys() -> Result<()> {
    let _alone = alone();
    manual_seed(0);
    let layer = Linear::new(3, 4)?;
    let before = values(&layer.weight.tensor());
    weight_norm(&layer.weight, Some(0))?;
    assert_eq!(keys(&layer), ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]);
    close(&layer.weight.tensor(), &before, 1e-6);
    // The weight does not depend on the length of the direction: its gradient there is orthogonal to it.
    layer.forward(&Tensor::randn([2, 3], ())?)?.square()?.sum()?.backward()?;
    let (g, v) = (layer.get_parameter("parametrizations.weight.original0"), layer.get_parameter("parametrizations.weight.original1"));
    let (g, v) = (g.unwrap(), v.unwrap());
    assert!(g.grad().is_some());
    close(&v.grad().unwrap().mul(&v.tensor().detach())?.sum_dim(1, false)?, &[0.0; 4], 1e-5);
    // Another length of all is another weight; a set weight is met.
    g.set(&g.tensor().detach().mul(2.0)?)?;
    close(&layer.weight.tensor(), &before.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), 1e-6);
    layer.weight.set(&Tensor::ones([4, 3], ())?)?;
    close(&layer.weight.tensor(), &[1.0; 12], 1e-6);
    assert!(is_parametrized(&layer.weight));
    remove_parametrizations(&layer.weight, true)?;
    assert_eq!(keys(&layer), ["weight", "bias"]);

    let attention = MultiheadAttention::new(4, 2)?;
    weight_norm(attention.get_parameter("in_proj_weight").as_ref().unwrap(), Some(0))?;
    let expected = [
        "in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
        "parametrizations.in_proj_weight.original0",
        "parametrizations.in_proj_weight.original1",
    ];
    assert_eq!(keys(&attention), expected);
    Ok(())
}

/// The numbers are PyTorch's for this seed.
#[test]
fn spectral_norm_is_pytorchs() -> Result<()> {
    let _alone = alone();
    manual_seed(7);
    let layer = Linear::new(3, 4)?;
    spectral_norm(&layer.weight, SpectralNormOptions::default())?;
    let expected = ["bias", "parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"];
    assert_eq!(keys(&layer), expected);
    let y = layer.forward(&Tensor::ones([1, 3], ())?)?;
    close(&y, &[-0.43567952513694763, -0.6671427488327026, -0.5907349586486816, 1.1779614686965942], 2e-6);
    let u = layer.get_buffer("parametrizations.weight.0._u").unwrap();
    close(&u.tensor(), &[-0.47532394528388977, -0.32930320501327515, 0.020168308168649673, 0.8156100511550903], 2e-5);
    // In evaluation the vectors stay.
    layer.eval();
    let before = values(&u.tensor());
    layer.forward(&Tensor::ones([1, 3], ())?)?;
    close(&u.tensor(), &before, 0.0);
    Ok(())
}

/// The masks are PyTorch's for this seed.
/// A map, inputs and outputs of a linear layer, and what PyTorch has: first values of the weight at the beginning and with another original, last ones of its gradient.
type Orthogonal = (OrthogonalMap, [usize; 2], [f64; 3], [f64; 3], [f64; 3]);
const ORTHOGONAL: [Orthogonal; 9] = [
    (
        OrthogonalMap::MatrixExp,
        [3, 3],
        [-0.645274863848, 0.751666698624, -0.136446048917],
        [-0.59390589174, 0.731325272938, -0.335319455026],
        [-0.051781125684, 0.483072075573, 0.0],
    ),
    (
        OrthogonalMap::Cayley,
        [3, 3],
        [-0.645274863848, 0.751666698624, -0.136446048917],
        [-0.594138747614, 0.731486448588, -0.33455451591],
        [-0.049330078578, 0.476183982663, 0.0],
    ),
    (
        OrthogonalMap::Householder,
        [3, 3],
        [-0.645274863848, 0.751666698624, -0.136446048917],
        [-0.548229248954, 0.652463149897, -0.523198364502],
        [0.310990813485, 0.66593066428, 0.0],
    ),
    (
        OrthogonalMap::MatrixExp,
        [4, 2],
        [-0.562040929012, 0.703847328712, 0.313380857733],
        [-0.522737591018, 0.842786592532, 0.127591700439],
        [0.0, -0.720625599757, 0.290858348459],
    ),
    (
        OrthogonalMap::Cayley,
        [4, 2],
        [-0.562040929012, 0.703847328712, 0.313380857733],
        [-0.523108698799, 0.842081024459, 0.130199553938],
        [0.0, -0.70744189026, 0.287212898779],
    ),
    (
        OrthogonalMap::Householder,
        [4, 2],
        [-0.562040929012, 0.703847328712, 0.313380857733],
        [-0.411126840936, 0.879502366591, -0.093077502263],
        [0.0, -2.258610455758, 0.739418735246],
    ),
    (
        OrthogonalMap::MatrixExp,
        [2, 4],
        [-0.633895542738, 0.592051058344, 0.353445307348],
        [-0.436520081242, 0.603277075099, 0.161370067473],
        [-0.675831473248, 0.294442394919, -0.187239521189],
    ),
    (
        OrthogonalMap::Cayley,
        [2, 4],
        [-0.633895542738, 0.592051058344, 0.353445307348],
        [-0.439614856769, 0.603213767809, 0.16543872528],
        [-0.62883958751, 0.292205850038, -0.203852401347],
    ),
    (
        OrthogonalMap::Householder,
        [2, 4],
        [-0.633895542738, 0.592051058344, 0.353445307348],
        [-0.146831555548, 0.498648313154, 0.040069434475],
        [-1.52702186542, 1.089149725055, -0.930323752203],
    ),
];

#[test]
fn orthogonal_weights_are_pytorchs() -> Result<()> {
    let _alone = alone();
    for (map, [inputs, outputs], start, changed, gradient) in ORTHOGONAL {
        manual_seed(11);
        let layer = Linear::builder(inputs, outputs).dtype(DType::F64).build()?;
        orthogonal(&layer.weight, Some(map), true)?;
        assert_eq!(keys(&layer), ["bias", "parametrizations.weight.original", "parametrizations.weight.0.base"]);
        let firsts = |x: &Tensor| x.detach().reshape(-1)?.narrow(0, 0, 3);
        close(&firsts(&layer.weight.tensor())?, &start, 1e-11);
        let x = layer.get_parameter("parametrizations.weight.original").unwrap();
        let numbers = Tensor::arange(0, (inputs * outputs) as i64, 1, DType::F64)?.reshape([outputs, inputs])?;
        let mut new = x.tensor().detach().add(&numbers.sin()?.mul(0.3)?)?;
        if map == OrthogonalMap::Householder {
            let diagonal = Tensor::eye(outputs, inputs, DType::F64)?;
            new = new.mul(&diagonal.neg()?.add(1.0)?)?.sub(&diagonal)?;
        }
        x.set(&new)?;
        let w = layer.weight.tensor();
        close(&firsts(&w)?, &changed, 1e-11);
        w.mul(&numbers.cos()?)?.sum()?.backward()?;
        let all = x.grad().unwrap().reshape(-1)?;
        close(&all.narrow(0, all.numel() as isize - 3, 3)?, &gradient, 1e-11);
        // What is set is what it then is: an orthogonal matrix to the bit or nearly so, of others the nearest by QR.
        layer.weight.set(&w.detach())?;
        close(&layer.weight.tensor().detach(), &values(&w.detach()), 1e-12);
    }
    manual_seed(11);
    let layer = Linear::builder(3, 3).dtype(DType::F64).build()?;
    orthogonal(&layer.weight, Some(OrthogonalMap::Householder), false)?;
    let w = layer.weight.tensor().detach();
    close(&w.reshape(-1)?.narrow(0, 0, 4)?, &[-0.6452748638481438, 0.7516666986242926, -0.13644604891683756, 0.34538572315823285], 1e-12);
    layer.weight.set(&w)?;
    close(&layer.weight.tensor().detach(), &values(&w), 1e-12);
    manual_seed(11);
    let layer = Linear::builder(3, 5).dtype(DType::F64).build()?;
    orthogonal(&layer.weight, None, false)?;
    let w = layer.weight.tensor().detach();
    close(&w.reshape(-1)?.narrow(0, 0, 4)?, &[-0.5824610697458785, 0.49376418312672077, -0.5564224068519422, 0.31176441088373374], 1e-12);
    let layer = Linear::new(3, 3)?;
    orthogonal(&layer.weight, None, false)?;
    assert!(layer.weight.set(&Tensor::eye(3, None, ())?).is_err(), "the exponential has no inverse here");
    assert!(orthogonal(layer.bias.as_ref().unwrap(), None, true).is_err());
    Ok(())
}

#[test]
fn pruning_is_pytorchs() -> Result<()> {
    let _alone = alone();
    manual_seed(3);
    let layer = Linear::new(4, 3)?;
    let mask = |l: &Linear| values(&l.get_buffer("weight_mask").unwrap().tensor());
    prune::random_unstructured(&layer.weight, Amount::Count(5))?;
    assert_eq!(mask(&layer), [1., 1., 0., 0., 0., 0., 1., 0., 1., 1., 1., 1.]);
    assert_eq!(keys(&layer), ["bias", "weight_orig", "weight_mask"]);
    prune::l1_unstructured(&layer.weight, Amount::Fraction(0.5))?;
    assert_eq!(mask(&layer), [1., 1., 0., 0., 0., 0., 0., 0., 0., 1., 0., 0.]);
    prune::ln_structured(&layer.weight, Amount::Count(1), 2.0, 0)?;
    let last = [1., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.];
    assert_eq!(mask(&layer), last);
    layer.forward(&Tensor::ones([1, 4], ())?)?.sum()?.backward()?;
    close(&layer.get_parameter("weight_orig").unwrap().grad().unwrap(), &last, 0.0);
    prune::remove(&layer.weight)?;
    assert_eq!(keys(&layer), ["weight", "bias"]);
    assert_eq!(values(&layer.weight.tensor()).iter().filter(|x| **x != 0.0).count(), 2);
    assert!(prune::remove(&layer.weight).is_err());

    manual_seed(3);
    let layer = Linear::new(4, 3)?;
    prune::random_structured(&layer.weight, Amount::Count(2), 1)?;
    assert_eq!(mask(&layer), [0., 0., 1., 1., 0., 0., 1., 1., 0., 0., 1., 1.]);
    assert!(prune::l1_unstructured(&layer.weight, Amount::Count(7)).is_err());

    let (a, b) = (Parameter::new(Tensor::new([1.0f32, -4.0])?)?, Parameter::new(Tensor::new([0.5f32, 3.0])?)?);
    prune::global_l1_unstructured(&[a.clone(), b.clone()], Amount::Count(2))?;
    assert_eq!((values(&a.tensor()), values(&b.tensor())), (vec![0.0, -4.0], vec![0.0, 3.0]));
    Ok(())
}

#[test]
fn batch_norms_fold_into_layers() -> Result<()> {
    let _alone = alone();
    fn check<L: Forward + rushlight_nn::utils::FoldableLayer>(
        layer: L,
        bn: impl Forward + Module + rushlight_nn::utils::FoldableNorm,
        x: &Tensor,
    ) -> Result<()> {
        // Running statistics of their own.
        bn.forward(&layer.forward(x)?)?;
        bn.eval();
        let expected = bn.forward(&layer.forward(x)?)?;
        close(&fuse_conv_bn_eval(&layer, &bn)?.forward(x)?, &values(&expected), 1e-5);
        Ok(())
    }
    manual_seed(2);
    let x = Tensor::randn([2, 3, 6, 6], ())?;
    check(Conv2d::builder(3, 6, 3).groups(3).bias(false).build()?, BatchNorm2d::new(6)?, &x)?;
    check(ConvTranspose2d::new(3, 2, 3)?, BatchNorm2d::new(2)?, &x)?;
    let (linear, bn) = (Linear::new(4, 3)?, BatchNorm1d::builder(3).affine(false).build()?);
    let x = Tensor::randn([5, 4], ())?;
    check(Linear::new(4, 3)?, BatchNorm1d::new(3)?, &x)?;
    bn.eval();
    close(&fuse_linear_bn_eval(&linear, &bn)?.forward(&x)?, &values(&bn.forward(&linear.forward(&x)?)?), 1e-6);
    let none = BatchNorm1d::builder(3).track_running_stats(false).build()?;
    assert!(fuse_linear_bn_eval(&linear, &none).is_err());
    Ok(())
}
