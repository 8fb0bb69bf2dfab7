//! Files written here come back the same; files with any byte changed are errors or values, never panics.

use rushlight_tensor::{DType, Device, Result, Tensor};

use super::zip::{Archive, Writer};
use super::{MapLocation, Value, load_bytes, load_bytes_with, of_state_dict, to_bytes, to_state_dict};

fn text(value: &Value) -> String {
    format!("{value:?}")
}

fn sample() -> Result<Value> {
    let x = Tensor::arange(0, 6, 1, DType::F32)?.reshape([2, 3])?;
    Ok(Value::dict([
        ("tensor", Value::Tensor(x.clone())),
        ("again", Value::Tensor(x.clone())),
        ("turned", Value::Tensor(x.t()?)),
        ("truth", Value::Tensor(x.gt(2.0)?)),
        ("empty", Value::Tensor(Tensor::zeros([0, 4], DType::I64)?)),
        ("list", Value::List(vec![Value::None, Value::Bool(true), Value::Int(-7), Value::Int(1 << 40), Value::Float(0.1)])),
        (
            "tuple",
            Value::Tuple(vec![Value::Str("é✓".to_string()), Value::DType(DType::BF16), Value::Big("-1180591620717411303424".to_string())]),
        ),
        ("bytes", Value::Bytes(vec![0, 127, 128, 255])),
        ("nothing", Value::List(Vec::new())),
    ]))
}

#[test]
fn what_is_written_is_read() -> Result<()> {
    let value = sample()?;
    assert!(load_bytes(&to_bytes(&value)?)?.same(&value)?);
    Ok(())
}

#[test]
fn a_state_dict_is_a_dict_of_tensors() -> Result<()> {
    let state = vec![("a".to_string(), Tensor::ones(2, ())?), ("b.c".to_string(), Tensor::zeros((), DType::I64)?)];
    let back = to_state_dict(&load_bytes(&to_bytes(&of_state_dict(&state))?)?)?;
    assert!(of_state_dict(&back).same(&of_state_dict(&state))?);
    let error = to_state_dict(&Value::dict([("a", Value::Int(1))])).unwrap_err();
    assert!(error.to_string().contains("`a` is an integer"), "{error}");
    Ok(())
}

/// The archive with another pickle, whose checksum is right.
fn with_pickle(file: &[u8], pickle: &[u8]) -> Vec<u8> {
    let archive = Archive::new(file).unwrap();
    let mut names: Vec<&str> = archive.names().filter(|n| !n.ends_with("data.pkl")).collect();
    names.sort_unstable();
    let mut writer = Writer::default();
    writer.add("archive/data.pkl", pickle);
    names.iter().for_each(|n| writer.add(n, archive.read(n).unwrap()));
    writer.finish()
}

#[test]
fn no_changed_byte_panics() -> Result<()> {
    let file = to_bytes(&sample()?)?;
    let archive = Archive::new(&file).unwrap();
    let pickle = archive.read("archive/data.pkl").unwrap();
    for i in 0..pickle.len() {
        for change in [1, 0x80, 0xff, pickle[i] ^ b'(', pickle[i] ^ b'R', pickle[i] ^ b'.'] {
            let mut changed = pickle.to_vec();
            changed[i] ^= change;
            // Loading may succeed, with other values; printing them must be possible then.
            if let Ok(value) = load_bytes(&with_pickle(&file, &changed)) {
                text(&value);
            }
        }
    }
    for n in (0..file.len()).step_by(7) {
        assert!(load_bytes(&file[..n]).is_err());
    }
    for i in (0..file.len()).step_by(3) {
        let mut changed = file.clone();
        changed[i] ^= 0x55;
        if let Ok(value) = load_bytes(&changed) {
            text(&value);
        }
    }
    Ok(())
}

#[test]
fn what_runs_code_is_refused() -> Result<()> {
    let file = to_bytes(&Value::None)?;
    for pickle in [&b"cos\nsystem\n(X\x04\x00\x00\x00echotR."[..], b"\x80\x04\x8c\x02os\x8c\x06system\x93.", b"(ios\nsystem\n."] {
        let error = load_bytes(&with_pickle(&file, pickle)).unwrap_err().to_string();
        assert!(error.contains("not allowed"), "{error}");
    }
    Ok(())
}

#[test]
fn values_that_contain_themselves_are_refused() -> Result<()> {
    let file = to_bytes(&Value::None)?;
    // A list, remembered, that is appended to itself.
    let error = load_bytes(&with_pickle(&file, b"]q\x00h\x00a.")).unwrap_err().to_string();
    assert!(error.contains("contain themselves"), "{error}");
    Ok(())
}

#[test]
fn integers_of_any_length_come_back() -> Result<()> {
    let nines = "9".repeat(2465);
    for digits in
        ["9223372036854775808", "-9223372036854775809", "18446744073709551616", "-340282366920938463463374607431768211456", &nines]
    {
        let back = load_bytes(&to_bytes(&Value::Big(digits.to_string()))?)?;
        assert!(matches!(&back, Value::Big(d) if d == digits), "{back:?}");
    }
    let back = load_bytes(&to_bytes(&Value::Big("-9223372036854775808".to_string()))?)?;
    assert!(matches!(back, Value::Int(i64::MIN)), "{back:?}");
    // Decimal digits of the oldest protocol: zeros in front mean nothing, and what is read can be written and read again.
    let file = to_bytes(&Value::None)?;
    let back = load_bytes(&with_pickle(&file, b"L-00018446744073709551616L\n."))?;
    assert!(matches!(&back, Value::Big(d) if d == "-18446744073709551616"), "{back:?}");
    assert!(load_bytes(&with_pickle(&file, format!("I{nines}\n.").as_bytes()))?.same(&Value::Big(nines.clone()))?);
    assert!(load_bytes(&with_pickle(&file, format!("I{nines}9\n.").as_bytes())).is_err());
    Ok(())
}

#[test]
fn tensors_that_share_memory_share_it_in_the_file() -> Result<()> {
    let x = Tensor::arange(0, 10_000, 1, DType::F32)?.reshape([100, 100])?;
    let alone = to_bytes(&Value::from(x.clone()))?.len();
    let views = Value::from(vec![x.clone(), x.t()?, x.narrow(0, 10, 20)?]);
    let bytes = to_bytes(&views)?;
    assert!(bytes.len() < alone + 1000, "{} bytes, {alone} for one of them", bytes.len());
    assert!(load_bytes(&bytes)?.same(&views)?);
    // Of a large memory only what is used is written.
    assert!(to_bytes(&Value::from(x.narrow(0, 10, 20)?))?.len() < alone / 4);
    // Steps backwards are no strides of PyTorch's.
    let turned = Value::from(x.flip(0)?);
    assert!(load_bytes(&to_bytes(&turned)?)?.same(&turned)?);
    assert!(!turned.same(&Value::from(x))?);
    Ok(())
}

#[test]
fn a_function_says_where_tensors_go() -> Result<()> {
    let file = to_bytes(&Value::from(Tensor::ones(3, ())?))?;
    let seen = std::cell::RefCell::new(Vec::new());
    let by = |name: &str| {
        seen.borrow_mut().push(name.to_string());
        Ok(Device::cpu())
    };
    load_bytes_with(&file, MapLocation::By(&by))?;
    assert_eq!(seen.into_inner(), ["cpu"]);
    load_bytes_with(&file, MapLocation::Saved)?;
    let archive = Archive::new(&file).unwrap();
    let mut pickle = archive.read("archive/data.pkl").unwrap().to_vec();
    let at = pickle.windows(3).position(|w| w == b"cpu").unwrap();
    pickle[at..at + 3].copy_from_slice(b"xla");
    let elsewhere = with_pickle(&file, &pickle);
    load_bytes(&elsewhere)?;
    let error = load_bytes_with(&elsewhere, MapLocation::Saved).unwrap_err().to_string();
    assert!(error.contains("device `xla`"), "{error}");
    Ok(())
}

#[test]
fn small_files_do_not_become_large() -> Result<()> {
    let file = to_bytes(&Value::None)?;
    // A string of a million bytes, made into bytes again and again: `_codecs.encode(string, "latin1")`.
    let mut pickle = b"\x80\x02(X\x40\x42\x0f\x00".to_vec();
    pickle.extend([b'a'; 1_000_000]);
    pickle.extend(b"q\x00c_codecs\nencode\nq\x01X\x06\x00\x00\x00latin1q\x02");
    for _ in 0..10_000 {
        pickle.extend(b"h\x01h\x00h\x02\x86R0");
    }
    pickle.extend(b"t.");
    let error = load_bytes(&with_pickle(&file, &pickle)).unwrap_err().to_string();
    assert!(error.contains("larger than the file"), "{error}");
    // Lists of ten times the one before, as deep as it goes.
    let mut pickle = b"\x80\x02]q\x00".to_vec();
    for depth in 0..40u8 {
        pickle.extend(b"](");
        (0..10).for_each(|_| pickle.extend([b'h', depth]));
        pickle.extend([b'e', b'q', depth + 1]);
    }
    pickle.push(b'.');
    let start = std::time::Instant::now();
    let error = load_bytes(&with_pickle(&file, &pickle)).unwrap_err().to_string();
    assert!(error.contains("larger than the file"), "{error}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    // A persistent id of very many parts, looked at again and again.
    let mut pickle = b"\x80\x02(((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x00".to_vec();
    pickle.extend([b'N'; 200_000]);
    pickle.extend(b"tq\x00");
    pickle.extend(b"h\x00Q".repeat(200_000));
    pickle.extend(b"tt.");
    let error = load_bytes(&with_pickle(&file, &pickle)).unwrap_err().to_string();
    assert!(error.contains("no storage"), "{error}");
    // Small lists made above where a large one has been.
    let mut pickle = b"\x80\x02(".to_vec();
    pickle.extend([b'N'; 100_000]);
    pickle.push(b'1');
    pickle.extend(b"(Nl0".repeat(20_000));
    pickle.extend(b"N.");
    assert!(load_bytes(&with_pickle(&file, &pickle))?.same(&Value::None)?);
    // Entries of an archive that share their bytes.
    let mut writer = Writer::default();
    writer.add("archive/data.pkl", b"N.");
    writer.add("archive/data/0", &[0; 4096]);
    let once = writer.finish();
    let size = once.windows(4).rposition(|w| w == 0x0201_4b50u32.to_le_bytes()).unwrap();
    let mut larger = once.clone();
    for at in [20, 24] {
        larger[size + at..size + at + 4].copy_from_slice(&1_000_000u32.to_le_bytes());
    }
    assert!(load_bytes(&once).is_ok());
    assert!(load_bytes(&larger).unwrap_err().to_string().contains("larger than the file"));
    Ok(())
}

/// Negatives and conjugates are computed when a file is read: an expanded one must not make much of a few bytes.
#[test]
fn expanded_negatives_are_refused_where_they_are_large() -> Result<()> {
    let one = to_bytes(&Value::from(Tensor::ones((), DType::F32)?))?;
    let negative = |count: i32| {
        let mut pickle = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n".to_vec();
        pickle.extend(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00(J");
        pickle.extend(count.to_le_bytes());
        pickle.extend(b"t(K\x00t\x89ccollections\nOrderedDict\n)R}X\x03\x00\x00\x00neg\x88stR.");
        with_pickle(&one, &pickle)
    };
    assert!(load_bytes(&negative(1000))?.same(&Value::from(Tensor::full(1000, -1.0f32, ())?))?);
    let error = load_bytes(&negative(100_000_000)).unwrap_err().to_string();
    assert!(error.contains("larger than the file"), "{error}");
    Ok(())
}

#[test]
fn what_we_do_not_have_is_named() -> Result<()> {
    let file = to_bytes(&Value::None)?;
    for (name, says) in [
        ("torch._utils\n_rebuild_sparse_tensor", "sparse"),
        ("torch._utils\n_rebuild_qtensor", "quantized"),
        ("torch\nfloat8_e4m3fn", "dtype"),
        ("torch\nuint16", "dtype"),
        ("numpy.core.multiarray\nscalar", "NumPy"),
    ] {
        let error = load_bytes(&with_pickle(&file, format!("c{name}\n.").as_bytes())).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("not supported"), "{error}");
    }
    Ok(())
}
