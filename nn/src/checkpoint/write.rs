//! Writing PyTorch's zip files, which `torch.load(weights_only=True)` opens.

use std::collections::HashMap;

use rushlight_tensor::{DType, Error, Result, Tensor};

use super::Value;
use super::globals::storage_class;
use super::integer::integer_bytes;
use super::zip::Writer;

/// The value as a file.
pub(super) fn file(value: &Value) -> Result<Vec<u8>> {
    let mut memory = HashMap::new();
    survey(value, &mut memory)?;
    let mut pickle = Pickle { out: vec![0x80, 2], memory, storages: Vec::new(), places: HashMap::new() };
    pickle.value(value)?;
    pickle.out.push(b'.');
    let mut zip = Writer::default();
    zip.add("archive/data.pkl", &pickle.out);
    zip.add("archive/.format_version", b"1");
    zip.add("archive/.storage_alignment", b"64");
    zip.add("archive/byteorder", b"little");
    for (i, (t, whole)) in pickle.storages.iter().enumerate() {
        let data = if *whole {
            let mut data = vec![0; t.storage().bytes()];
            t.device().backend().download(t.storage(), 0, &mut data)?;
            data
        } else {
            t.to_bytes()?
        };
        zip.add(&format!("archive/data/{i}"), &data);
    }
    zip.add("archive/version", b"3\n");
    Ok(zip.finish())
}

/// Memory that tensors of the value lie in.
struct Memory {
    dtype: DType,
    /// Whether it can be written as it is, with the strides of its tensors: then they share it in the file as well.
    whole: bool,
    /// The bytes of all tensors in it.
    bytes: usize,
}

fn survey(value: &Value, memory: &mut HashMap<usize, Memory>) -> Result<()> {
    match value {
        Value::Tensor(t) => {
            if t.trace().is_some_and(|t| t.hides_values()) {
                return Err(Error::unsupported(
                    "checkpoint::save",
                    "inside of `vmap` a tensor stands for one value a sample: none can be saved there",
                ));
            }
            let m = memory.entry(t.storage().address()).or_insert(Memory { dtype: t.dtype(), whole: true, bytes: 0 });
            m.bytes += t.numel() * t.dtype().size();
            // PyTorch has no strides below zero.
            m.whole &= m.dtype == t.dtype() && t.layout().strides().iter().all(|s| *s >= 0);
            m.whole &= t.storage().bytes().is_multiple_of(t.dtype().size());
            Ok(())
        }
        Value::List(items) | Value::Tuple(items) => items.iter().try_for_each(|v| survey(v, memory)),
        Value::Dict(entries) => entries.iter().try_for_each(|(k, v)| survey(k, memory).and_then(|()| survey(v, memory))),
        _ => Ok(()),
    }
}

struct Pickle {
    out: Vec<u8>,
    memory: HashMap<usize, Memory>,
    /// The storages so far: the memory of a tensor, whole or only its elements.
    storages: Vec<(Tensor, bool)>,
    /// Where they stand.
    places: HashMap<Place, usize>,
}

/// Memory, and what of it: `None` for all, else a dtype, an offset, sizes and strides.
type Place = (usize, Option<(DType, usize, Vec<usize>, Vec<isize>)>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.out.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn str(&mut self, text: &str) {
        self.out.push(b'X');
        self.out.extend((text.len() as u32).to_le_bytes());
        self.out.extend(text.as_bytes());
    }

    fn int(&mut self, i: i64) {
        match i32::try_from(i) {
            Ok(i) => {
                self.out.push(b'J');
                self.out.extend(i.to_le_bytes());
            }
            Err(_) => {
                self.out.extend([0x8a, 8]);
                self.out.extend(i.to_le_bytes());
            }
        }
    }

    fn float(&mut self, x: f64) {
        self.out.push(b'G');
        self.out.extend(x.to_be_bytes());
    }

    fn ints(&mut self, items: impl Iterator<Item = i64>) {
        self.out.push(b'(');
        items.for_each(|n| self.int(n));
        self.out.push(b't');
    }

    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(b) => self.out.push(if *b { 0x88 } else { 0x89 }),
            Value::Int(i) => self.int(*i),
            Value::Big(digits) => {
                let bytes = integer_bytes(digits);
                match u8::try_from(bytes.len()) {
                    Ok(n) => self.out.extend([0x8a, n]),
                    Err(_) => {
                        self.out.push(0x8b);
                        self.out.extend((bytes.len() as u32).to_le_bytes());
                    }
                }
                self.out.extend(bytes);
            }
            Value::Float(x) => self.float(*x),
            Value::Complex(c) => {
                self.global("builtins", "complex");
                self.float(c.re);
                self.float(c.im);
                self.out.extend([0x86, b'R']);
            }
            Value::Str(s) => self.str(s),
            Value::Bytes(b) => {
                // As Python writes bytes in this protocol.
                self.global("_codecs", "encode");
                self.str(&b.iter().map(|&b| char::from(b)).collect::<String>());
                self.str("latin1");
                self.out.extend([0x86, b'R']);
            }
            Value::DType(d) => self.global("torch", d.name()),
            Value::Tensor(t) => self.tensor(t),
            Value::List(items) => {
                self.out.extend(b"](");
                items.iter().try_for_each(|v| self.value(v))?;
                self.out.push(b'e');
            }
            Value::Tuple(items) => {
                self.out.push(b'(');
                items.iter().try_for_each(|v| self.value(v))?;
                self.out.push(b't');
            }
            Value::Dict(entries) => {
                self.out.extend(b"}(");
                for (k, v) in entries {
                    self.value(k)?;
                    self.value(v)?;
                }
                self.out.push(b'u');
            }
        }
        Ok(())
    }

    fn tensor(&mut self, t: &Tensor) {
        let t = t.with_trace(None);
        // Memory of which most belongs to no tensor is not worth a place in the file.
        let whole = self.memory.get(&t.storage().address()).is_some_and(|m| m.whole && t.storage().bytes() <= m.bytes);
        let part = || (t.dtype(), t.layout().offset(), t.shape().to_vec(), t.layout().strides().to_vec());
        let key = *self.places.entry((t.storage().address(), (!whole).then(part))).or_insert_with(|| {
            self.storages.push((t.clone(), whole));
            self.storages.len() - 1
        });
        let numel = if whole { t.storage().bytes() / t.dtype().size() } else { t.numel() };
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.out.extend(b"((");
        self.str("storage");
        self.global("torch", storage_class(t.dtype()));
        self.str(&key.to_string());
        self.str(t.device().name());
        self.int(numel as i64);
        self.out.extend(b"tQ");
        self.int(if whole { t.layout().offset() as i64 } else { 0 });
        self.ints(t.shape().iter().map(|&n| n as i64));
        if whole {
            self.ints(t.layout().strides().iter().map(|&n| n as i64));
        } else {
            let mut strides: Vec<i64> =
                t.shape().iter().rev().scan(1, |step, &n| Some(std::mem::replace(step, *step * n.max(1) as i64))).collect();
            strides.reverse();
            self.ints(strides.into_iter());
        }
        self.out.push(0x89);
        self.global("collections", "OrderedDict");
        self.out.extend(b")RtR");
    }
}
