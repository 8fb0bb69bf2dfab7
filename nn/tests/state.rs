//! Parameters as cells, state dicts, files.

use rushlight_autograd::Autograd;
use rushlight_nn::{Buffer, Module, Parameter, SafeTensors, load_safetensors, save_safetensors, save_safetensors_with};
use rushlight_tensor::{Complex64, DType, Device, Result, Tensor};

#[derive(Module)]
struct Inner {
    weight: Parameter,
    count: Buffer,
    table: Buffer,
}

#[derive(Module)]
struct Net {
    inner: Inner,
    bias: Parameter,
}

fn net(seed: f32) -> Net {
    let tensor = |v: &[f32]| Tensor::new(v).unwrap().mul(seed).unwrap();
    Net {
        inner: Inner {
            weight: Parameter::new(tensor(&[1.0, 2.0, 3.0, 4.0]).reshape([2, 2]).unwrap()).unwrap(),
            count: Buffer::new(Tensor::new(3i64).unwrap()),
            table: Buffer::non_persistent(tensor(&[9.0])),
        },
        bias: Parameter::new(tensor(&[5.0, 6.0])).unwrap(),
    }
}

fn values(m: &Net) -> Vec<f32> {
    let mut v = m.bias.tensor().to_vec::<f32>().unwrap();
    v.extend(m.inner.weight.tensor().to_vec::<f32>().unwrap());
    v
}

#[test]
fn a_parameter_keeps_its_leaf() -> Result<()> {
    let w = Parameter::new(Tensor::new([1.0f64, 2.0])?)?;
    let seen = w.tensor();
    let backward = |scale: f64| -> Result<()> {
        let y = w.tensor().mul(scale)?;
        y.backward_with(Some(&y.ones_like()?), Default::default())
    };
    backward(3.0)?;
    w.update(|t| t.mul(10.0))?;
    assert_eq!(seen.to_vec::<f64>()?, [1.0, 2.0], "handles keep their values");
    assert_eq!(w.tensor().to_vec::<f64>()?, [10.0, 20.0]);
    backward(4.0)?;
    assert_eq!(w.grad().unwrap().to_vec::<f64>()?, [7.0, 7.0], "gradients of before and after add up");
    assert_eq!(seen.grad().unwrap().to_vec::<f64>()?, [7.0, 7.0], "it is one leaf");

    w.requires_grad_(false);
    assert!(!w.tensor().mul(2.0)?.is_requires_grad() && w.grad().is_some());
    w.requires_grad_(true);
    assert!(w.tensor().is_requires_grad());
    w.zero_grad();
    assert!(w.grad().is_none());

    backward(2.0)?;
    w.to_dtype(DType::F32)?;
    assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [2.0, 2.0]);
    assert!(w.set(&Tensor::zeros(3, ())?).is_err() && w.set(&Tensor::zeros(2, DType::F64)?).is_err());
    assert!(Parameter::new(Tensor::new([1i64])?).is_err());
    Ok(())
}

#[test]
fn a_parameter_can_be_updated_in_place() -> Result<()> {
    // Enough elements that reusing memory pays.
    let w = Parameter::new(Tensor::new([1.0f32; 2000])?)?;
    let at = w.tensor().storage().address();
    let filler = Tensor::zeros(0, ())?;
    let mut locked = w.lock();
    let taken = locked.take(&filler);
    let doubled = rushlight_tensor::apply1(
        rushlight_tensor::backend::op::Pointwise::Unary(rushlight_tensor::backend::op::Unary::Neg),
        [rushlight_tensor::Input::Own(taken)],
    )?;
    locked.put(doubled);
    drop(locked);
    assert_eq!(w.tensor().to_vec::<f32>()?, [-1.0; 2000]);
    assert_eq!(w.tensor().storage().address(), at, "the memory is the same");
    Ok(())
}

#[test]
fn state_dicts_are_loaded() -> Result<()> {
    let (a, b) = (net(1.0), net(-1.0));
    let report = b.load_state_dict(&a.state_dict(), true)?;
    assert_eq!(report, Default::default());
    assert_eq!(values(&a), values(&b));
    // Another dtype is converted; the order does not matter.
    let mut state: Vec<(String, Tensor)> =
        net(2.0).state_dict().into_iter().map(|(k, v)| Ok((k, v.to_dtype(DType::F64)?))).collect::<Result<_>>()?;
    state.reverse();
    b.load_state_dict(&state, true)?;
    assert_eq!(values(&b), [10.0, 12.0, 2.0, 4.0, 6.0, 8.0]);
    assert_eq!(b.inner.count.tensor().item::<i64>()?, 3);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named_and_nothing_changes() -> Result<()> {
    let m = net(1.0);
    let before = values(&m);
    let mut state = net(7.0).state_dict();
    state.retain(|(k, _)| k != "inner.count");
    state.push(("extra.weight".to_owned(), Tensor::zeros(1, ())?));
    let error = m.load_state_dict(&state, true).unwrap_err().to_string();
    assert!(error.contains("missing keys: `inner.count`") && error.contains("unexpected keys: `extra.weight`"), "{error}");
    assert_eq!(values(&m), before);

    let report = m.load_state_dict(&state, false)?;
    assert_eq!((report.missing, report.unexpected), (vec!["inner.count".to_owned()], vec!["extra.weight".to_owned()]));
    assert_eq!(values(&m)[0], 35.0);

    // All shapes that differ are listed.
    let both: Vec<_> = m.state_dict().into_iter().map(|(k, t)| Ok((k, t.unsqueeze(0)?))).collect::<Result<_>>()?;
    let report = m.compare_state_dict(&both);
    assert_eq!(report.mismatched.len(), both.len());
    assert_eq!((&report.mismatched[0].key, &report.mismatched[0].saved), (&both[0].0, &both[0].1.shape().to_vec()));
    let error = m.load_state_dict(&both, false).unwrap_err().to_string();
    assert!(both.iter().all(|(k, _)| error.contains(&format!("`{k}` is [1"))), "{error}");
    assert!(m.compare_state_dict(&m.state_dict()).is_empty());

    let wrong = [("bias".to_owned(), Tensor::zeros([2, 1], ())?)];
    let error = m.load_state_dict(&wrong, false).unwrap_err().to_string();
    assert!(error.contains("`bias` is [2, 1] in the state dict, [2] in the module"), "{error}");
    Ok(())
}

#[test]
fn conversion_leaves_counters_alone() -> Result<()> {
    let m = net(1.0);
    m.to_dtype(DType::F64)?;
    let dtypes: Vec<DType> = m.state_dict().iter().map(|(_, t)| t.dtype()).collect();
    assert_eq!(dtypes, [DType::F64, DType::F64, DType::I64]);
    assert!(m.to_dtype(DType::I64).is_err());
    Ok(())
}

#[test]
fn files() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("model.safetensors");
    let (a, b) = (net(1.0), net(0.0));
    a.save_safetensors(&path)?;
    a.save_safetensors(&path)?;
    b.load_safetensors(&path)?;
    assert_eq!(values(&a), values(&b));
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 1, "no temporary file is left");

    // Every dtype comes back, in the shape that it had.
    let x = Tensor::new([[0.0f64, 1.0, 2.0], [3.0, 0.0, 5.0]])?;
    let dtypes = DType::ALL.into_iter().filter(|d| *d != DType::C128);
    let state: Vec<(String, Tensor)> = dtypes.map(|d| Ok((d.name().to_owned(), x.to_dtype(d)?))).collect::<Result<_>>()?;
    save_safetensors(&state, &path)?;
    let loaded = load_safetensors(&path)?;
    assert_eq!(loaded.len(), state.len());
    for (name, tensor) in &state {
        let (_, back) = loaded.iter().find(|(n, _)| n == name).unwrap();
        assert_eq!((back.dtype(), back.shape(), back.to_bytes()?), (tensor.dtype(), tensor.shape(), tensor.to_bytes()?));
    }

    // One tensor at a time, and facts beside them.
    save_safetensors_with(&[("x".to_owned(), x.t()?)], &[("format", "pt")], &path)?;
    let file = SafeTensors::open(&path)?;
    assert_eq!((file.names(), file.shape("x"), file.metadata()["format"].as_str()), (vec!["x".to_owned()], Some(&[3, 2][..]), "pt"));
    assert_eq!(file.tensor("x")?.to_vec::<f64>()?, [0.0, 3.0, 1.0, 0.0, 2.0, 5.0]);
    let error = file.tensor("y").unwrap_err().to_string();
    assert!(error.contains("model.safetensors") && error.contains("no tensor `y`"), "{error}");
    Ok(())
}

#[test]
fn errors_name_the_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("bad.safetensors");
    let says = |e: rushlight_tensor::Error, words: &[&str]| {
        let text = e.to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    };
    says(load_safetensors(&path).unwrap_err(), &["bad.safetensors"]);
    std::fs::write(&path, [255; 40])?;
    says(load_safetensors(&path).unwrap_err(), &["load_safetensors", "bad.safetensors"]);
    save_safetensors(&[("bias".to_owned(), Tensor::zeros(3, ())?)], &path)?;
    says(net(1.0).load_safetensors(&path).unwrap_err(), &["bad.safetensors", "`inner.weight`", "`bias` is [3]", "[2] in the module"]);
    let x = Tensor::from_vec(vec![Complex64::new(1.0, 2.0)], 1, Device::cpu())?;
    says(save_safetensors(&[("z".to_owned(), x)], &path).unwrap_err(), &["`z`", "complex128"]);
    let twice = [("a".to_owned(), Tensor::zeros(1, ())?), ("a".to_owned(), Tensor::zeros(1, ())?)];
    says(save_safetensors(&twice, &path).unwrap_err(), &["`a`", "twice"]);
    says(save_safetensors(&twice[..1], dir.path().join("none").join("x.safetensors")).unwrap_err(), &["x.safetensors"]);
    Ok(())
}

#[test]
fn no_changed_byte_of_a_safetensors_file_panics() -> Result<()> {
    let x = Tensor::arange(0, 6, 1, DType::F32)?.reshape([2, 3])?;
    let tensors = [("x".to_owned(), x.clone()), ("truth".to_owned(), x.gt(2.0)?), ("empty".to_owned(), Tensor::zeros([0, 4], DType::I64)?)];
    let file = rushlight_tensor::safetensors::safetensors_bytes(&tensors, &[("format", "pt")])?;
    assert_eq!(rushlight_nn::parse_safetensors(&file)?.0.len(), 3);
    for i in 0..file.len() {
        assert!(rushlight_nn::parse_safetensors(&file[..i]).is_err());
        for change in [1, 2, 0x10, 0x80, 0xff, file[i] ^ b'9', file[i] ^ b'"', file[i] ^ b']'] {
            let mut changed = file.clone();
            changed[i] ^= change;
            // Loading may succeed, with other values; printing them must be possible then.
            if let Ok((state, metadata)) = rushlight_nn::parse_safetensors(&changed) {
                drop(format!("{state:?} {metadata:?}"));
            }
        }
    }
    Ok(())
}
