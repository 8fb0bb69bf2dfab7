//! Writing PyTorch's zip files, which `torch.load(weights_only=True)` opens.

use rushlight_tensor::{Result, Tensor};

use super::Value;
use super::globals::storage_class;
use super::zip::Writer;

/// The value as a file.
pub(super) fn file(value: &Value) -> Result<Vec<u8>> {
    let mut pickle = Pickle { out: vec![0x80, 2], tensors: Vec::new() };
    pickle.value(value)?;
    pickle.out.push(b'.');
    let mut zip = Writer::default();
    zip.add("archive/data.pkl", &pickle.out);
    zip.add("archive/.format_version", b"1");
    zip.add("archive/.storage_alignment", b"64");
    zip.add("archive/byteorder", b"little");
    for (i, t) in pickle.tensors.iter().enumerate() {
        zip.add(&format!("archive/data/{i}"), &t.to_bytes()?);
    }
    zip.add("archive/version", b"3\n");
    Ok(zip.finish())
}

struct Pickle {
    out: Vec<u8>,
    /// The tensors so far, each with a storage of its own; one that occurs again is written once.
    tensors: Vec<Tensor>,
}

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

    fn ints(&mut self, items: impl Iterator<Item = usize>) {
        self.out.push(b'(');
        items.for_each(|n| self.int(n as i64));
        self.out.push(b't');
    }

    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(b) => self.out.push(if *b { 0x88 } else { 0x89 }),
            Value::Int(i) => self.int(*i),
            Value::Big(digits) => self.out.extend(format!("L{digits}L\n").as_bytes()),
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
        let key = self.tensors.iter().position(|known| known.is_same(&t)).unwrap_or(self.tensors.len());
        if key == self.tensors.len() {
            self.tensors.push(t.clone());
        }
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.out.extend(b"((");
        self.str("storage");
        self.global("torch", storage_class(t.dtype()));
        self.str(&key.to_string());
        self.str("cpu");
        self.int(t.numel() as i64);
        self.out.extend(b"tQ");
        self.int(0);
        self.ints(t.shape().iter().copied());
        let mut strides: Vec<usize> = t.shape().iter().rev().scan(1, |step, &n| Some(std::mem::replace(step, *step * n.max(1)))).collect();
        strides.reverse();
        self.ints(strides.into_iter());
        self.out.push(0x89);
        self.global("collections", "OrderedDict");
        self.out.extend(b")RtR");
    }
}
