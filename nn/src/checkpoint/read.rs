//! PyTorch's files: zip archives and the older format, and what lies in them.

use std::collections::HashMap;

use rushlight_tensor::{Complex64, DType, Error, Layout, Tensor};

use super::globals::Global;
use super::pickle::{self, Arena, Id, Node, StorageRef, TensorRef};
use super::zip::{Archive, Parsed};
use super::{MapLocation, Value};

/// The deepest nesting: of what people save nothing comes near.
const DEEPEST: usize = 256;

/// The first pickle of the older format: a number.
const MAGIC: &str = "119547037146038801333356";

/// Where storages come from: their bytes by key.
trait Storages {
    fn bytes(&self, storage: &StorageRef) -> Parsed<&[u8]>;
}

/// A file of any of the formats.
pub(super) fn parse(bytes: &[u8], map: MapLocation<'_>) -> Parsed<Value> {
    if cfg!(target_endian = "big") {
        return Err("the files are little-endian, this machine is not".to_string());
    }
    if bytes.starts_with(b"PK") {
        return zipped(bytes, map);
    }
    if bytes.is_empty() {
        return Err("the file is empty".to_string());
    }
    legacy(bytes, map)
}

struct InArchive<'a> {
    archive: Archive<'a>,
    root: String,
}

impl Storages for InArchive<'_> {
    fn bytes(&self, storage: &StorageRef) -> Parsed<&[u8]> {
        self.archive.read(&format!("{}/data/{}", self.root, storage.key))
    }
}

fn zipped(bytes: &[u8], map: MapLocation<'_>) -> Parsed<Value> {
    let archive = Archive::new(bytes)?;
    let roots: Vec<String> = archive.names().filter_map(|n| n.strip_suffix("/data.pkl")).map(str::to_string).collect();
    let [root] = &roots[..] else {
        return Err(format!("the zip archive holds {} pickles `data.pkl`, wanted one", roots.len()));
    };
    let order = format!("{root}/byteorder");
    if archive.names().any(|n| n == order) && archive.read(&order)? != b"little" {
        return Err("the file was written on a big-endian machine".to_string());
    }
    let data = archive.read(&format!("{root}/data.pkl"))?;
    let (arena, top, _) = pickle::run(data)?;
    let storages = InArchive { root: root.clone(), archive };
    Reader::new(&arena, &storages, map, bytes.len()).value(top)
}

struct Behind<'a>(HashMap<String, &'a [u8]>);

impl Storages for Behind<'_> {
    fn bytes(&self, storage: &StorageRef) -> Parsed<&[u8]> {
        self.0.get(&storage.key).copied().ok_or_else(|| format!("no storage `{}` in the file", storage.key))
    }
}

/// The older format: a magic number, a protocol, facts about the machine, the value, the keys of the storages, and these.
fn legacy(bytes: &[u8], map: MapLocation<'_>) -> Parsed<Value> {
    let mut at = 0;
    let mut next = || {
        let (arena, top, used) = pickle::run(&bytes[at..])?;
        at += used;
        Parsed::Ok((arena, top))
    };
    let no_file = || "neither a zip archive nor PyTorch's older format".to_string();
    let (arena, top) = next().map_err(|e| format!("{}: {e}", no_file()))?;
    if !matches!(arena.get(top), Node::Big(n) if n == MAGIC) {
        return Err(no_file());
    }
    let (arena, top) = next()?;
    if arena.int(top) != Ok(1001) {
        return Err("another version of PyTorch's older format".to_string());
    }
    next()?;
    let (arena, top) = next()?;
    let (keys, list) = next()?;
    let known = arena.storages();
    let mut storages = HashMap::new();
    for &key in keys.items(list)? {
        let key = keys.str(key)?;
        let storage = known.get(key).ok_or_else(|| format!("storage `{key}` belongs to no tensor"))?;
        let size = storage.dtype.map_or(1, DType::size) as u64;
        let count = bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map(|b| u64::from_le_bytes(*b));
        if count != Some(storage.numel) {
            return Err(format!("storage `{key}` should have {} elements, the file says {count:?}", storage.numel));
        }
        let stop = storage.numel.checked_mul(size).and_then(|n| usize::try_from(n).ok()).and_then(|n| (at + 8).checked_add(n));
        let data = stop.and_then(|s| bytes.get(at + 8..s)).ok_or_else(|| format!("the file is cut in storage `{key}`"))?;
        storages.insert(key.to_string(), data);
        at += 8 + data.len();
    }
    let storages = Behind(storages);
    Reader::new(&arena, &storages, map, bytes.len()).value(top)
}

/// Makes values of the arena's.
struct Reader<'a> {
    arena: &'a Arena,
    storages: &'a dyn Storages,
    map: MapLocation<'a>,
    /// The memory of storages that tensors share.
    loaded: HashMap<(String, DType), Tensor>,
    /// What may still be made, in bytes: shared values are copied, and a small pickle can share very much.
    budget: usize,
}

impl<'a> Reader<'a> {
    fn new(arena: &'a Arena, storages: &'a dyn Storages, map: MapLocation<'a>, file: usize) -> Reader<'a> {
        Reader { arena, storages, map, loaded: HashMap::new(), budget: pickle::budget(file) }
    }

    fn value(&mut self, id: Id) -> Parsed<Value> {
        self.nested(id, 0)
    }

    fn spend(&mut self, bytes: usize) -> Parsed<()> {
        self.budget = self.budget.checked_sub(bytes).ok_or("shared values make the contents far larger than the file")?;
        Ok(())
    }

    fn nested(&mut self, id: Id, depth: usize) -> Parsed<Value> {
        if depth > DEEPEST {
            return Err(format!("values are nested more than {DEEPEST} deep, or contain themselves"));
        }
        self.spend(size_of::<Value>())?;
        let arena = self.arena;
        Ok(match arena.get(id) {
            Node::None => Value::None,
            Node::Bool(b) => Value::Bool(*b),
            Node::Int(i) => Value::Int(*i),
            Node::Float(f) => Value::Float(*f),
            Node::Complex(re, im) => Value::Complex(Complex64::new(*re, *im)),
            Node::Big(s) => {
                self.spend(s.len())?;
                Value::Big(s.clone())
            }
            Node::Str(s) => {
                self.spend(s.len())?;
                Value::Str(s.clone())
            }
            Node::Bytes(b) => {
                self.spend(b.len())?;
                Value::Bytes(b.clone())
            }
            Node::List(items) => Value::List(self.all(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.all(items, depth)?),
            Node::Dict(entries) => self.dict(entries, depth)?,
            Node::Global(Global::DType(d)) => Value::DType(*d),
            Node::Global(g) => return Err(format!("{g:?} is no value")),
            Node::Storage(_) => return Err("a storage without a tensor".to_string()),
            Node::Tensor(t) => Value::Tensor(self.tensor(t)?),
        })
    }

    fn all(&mut self, items: &[Id], depth: usize) -> Parsed<Vec<Value>> {
        items.iter().map(|&i| self.nested(i, depth + 1)).collect()
    }

    /// Of equal keys the last value counts, in the place of the first.
    fn dict(&mut self, entries: &[(Id, Id)], depth: usize) -> Parsed<Value> {
        #[derive(PartialEq, Eq, Hash)]
        enum Key {
            Int(i64),
            Str(String),
        }
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut made: Vec<(Value, Value)> = Vec::new();
        for &(k, v) in entries {
            let (key, value) = (self.nested(k, depth + 1)?, self.nested(v, depth + 1)?);
            let known = match &key {
                Value::Int(i) => Some(Key::Int(*i)),
                Value::Str(s) => Some(Key::Str(s.clone())),
                Value::List(_) | Value::Dict(_) => return Err(format!("{} as the key of a dict", key.kind())),
                _ => None,
            };
            match known.map(|known| places.entry(known).or_insert(made.len())) {
                Some(&mut at) if at < made.len() => made[at].1 = value,
                _ => made.push((key, value)),
            }
        }
        Ok(Value::Dict(made))
    }

    /// A storage's elements as a vector.
    fn storage(&mut self, storage: &StorageRef, dtype: DType) -> Parsed<Tensor> {
        let key = (storage.key.clone(), dtype);
        if let Some(t) = self.loaded.get(&key) {
            return Ok(t.clone());
        }
        let bytes = self.storages.bytes(storage)?;
        let size = storage.dtype.map_or(1, DType::size) as u64;
        if storage.numel.checked_mul(size) != Some(bytes.len() as u64) {
            return Err(format!("storage `{}` should have {} elements, but has {} bytes", storage.key, storage.numel, bytes.len()));
        }
        if bytes.len() % dtype.size() != 0 {
            return Err(format!("storage `{}` of {} bytes holds no whole number of {dtype}", storage.key, bytes.len()));
        }
        // Any byte but 0 is true, and ours are 0 and 1.
        let truth: Vec<u8>;
        let bytes = if dtype == DType::Bool {
            truth = bytes.iter().map(|&b| u8::from(b != 0)).collect();
            &truth[..]
        } else {
            bytes
        };
        let device = self.map.device(&storage.location).map_err(|e| e.to_string())?;
        let t = Tensor::from_bytes(bytes, bytes.len() / dtype.size(), dtype, device).map_err(|e| e.to_string())?;
        self.loaded.insert(key, t.clone());
        Ok(t)
    }

    fn tensor(&mut self, t: &TensorRef) -> Parsed<Tensor> {
        let text = |e: Error| e.to_string();
        let view = self.view(t)?;
        // These are computed, element by element, and a view can show few elements many times.
        if t.conj || t.neg {
            self.spend(view.numel().saturating_mul(t.dtype.size()))?;
        }
        let view = if t.conj { view.conj().map_err(text)? } else { view };
        if t.neg { view.neg().map_err(text) } else { Ok(view) }
    }

    /// The elements as they lie in the storage.
    fn view(&mut self, t: &TensorRef) -> Parsed<Tensor> {
        self.spend(256)?;
        let whole = self.storage(&t.storage, t.dtype)?;
        let natural = |n: i64, what: &str| usize::try_from(n).map_err(|_| format!("a tensor with {what} {n}"));
        let offset = natural(t.offset, "offset")?;
        let shape = t.size.iter().map(|&n| natural(n, "size")).collect::<Parsed<Vec<_>>>()?;
        let strides = t.stride.iter().map(|&n| natural(n, "stride")).collect::<Parsed<Vec<_>>>()?;
        // Sizes beside one of 0 are bounded as well.
        let bound = shape.iter().try_fold(t.dtype.size(), |n, &s| n.checked_mul(s.max(1))).filter(|&n| isize::try_from(n).is_ok());
        let count = bound.map(|_| shape.iter().product::<usize>());
        // Elements may be seen many times over (an expanded tensor), but not without end.
        let count = count.filter(|&n| n <= whole.numel().saturating_add(1 << 28)).ok_or_else(|| format!("a tensor of shape {shape:?}"))?;
        let reach = shape.iter().zip(&strides).try_fold(offset, |at, (&n, &s)| at.checked_add(n.saturating_sub(1).checked_mul(s)?));
        if count > 0 && reach.is_none_or(|last| last >= whole.numel()) || offset > whole.numel() {
            return Err(format!("a tensor of shape {shape:?}, strides {strides:?} and offset {offset} on {} elements", whole.numel()));
        }
        if count == 0 {
            return Tensor::zeros(shape, (t.dtype, whole.device())).map_err(|e| e.to_string());
        }
        let strides = strides.iter().map(|&s| s as isize).collect();
        let layout = Layout::new(shape.into(), strides, whole.layout().offset() + offset);
        Tensor::from_storage(whole.storage().clone(), layout, t.dtype, whole.device()).map_err(|e| e.to_string())
    }
}
