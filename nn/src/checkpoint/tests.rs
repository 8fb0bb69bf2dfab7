//! Files written here come back the same; files with any byte changed are errors or values, never panics.

use rushlight_tensor::{DType, Result, Tensor};

use super::zip::{Archive, Writer};
use super::{Value, load_bytes, of_state_dict, to_bytes, to_state_dict};

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
    assert_eq!(text(&load_bytes(&to_bytes(&value)?)?), text(&value));
    Ok(())
}

#[test]
fn a_state_dict_is_a_dict_of_tensors() -> Result<()> {
    let state = vec![("a".to_string(), Tensor::ones(2, ())?), ("b.c".to_string(), Tensor::zeros((), DType::I64)?)];
    let back = to_state_dict(&load_bytes(&to_bytes(&of_state_dict(&state))?)?)?;
    assert_eq!(format!("{back:?}"), format!("{state:?}"));
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
