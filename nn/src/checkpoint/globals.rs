//! What a pickle may name, and what comes of calling it. Nothing else is looked up, and none of it is code of anybody's but this file's.

use rushlight_tensor::DType;

use super::pickle::{Arena, Id, Node, StorageRef, TensorRef};
use super::zip::Parsed;

/// A name that is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    Counter,
    RebuildTensor,
    RebuildTensorV3,
    RebuildParameter,
    RebuildFromType,
    Size,
    Set,
    Complex,
    Encode,
    ByteArray,
    Device,
    /// A type that is only mentioned.
    Type,
    DType(DType),
    /// A class of storages; `None`: of bytes.
    Storage(Option<DType>),
}

const STORAGES: [(&str, DType); 12] = [
    ("DoubleStorage", DType::F64),
    ("FloatStorage", DType::F32),
    ("HalfStorage", DType::F16),
    ("BFloat16Storage", DType::BF16),
    ("LongStorage", DType::I64),
    ("IntStorage", DType::I32),
    ("ShortStorage", DType::I16),
    ("CharStorage", DType::I8),
    ("ByteStorage", DType::U8),
    ("BoolStorage", DType::Bool),
    ("ComplexFloatStorage", DType::C64),
    ("ComplexDoubleStorage", DType::C128),
];

/// PyTorch's class of storages of a dtype.
pub(super) fn storage_class(dtype: DType) -> &'static str {
    STORAGES.iter().find(|(_, d)| *d == dtype).map_or("UntypedStorage", |(name, _)| name)
}

/// What PyTorch's own files may name, and we have nothing for: the beginning of the name, and what it is.
const FOREIGN: [(&str, &str); 14] = [
    ("torch._utils._rebuild_sparse_tensor", "a sparse tensor"),
    ("torch._utils._rebuild_qtensor", "a quantized tensor"),
    ("torch._utils._rebuild_nested_tensor", "a nested tensor"),
    ("torch._utils._rebuild_meta_tensor", "a tensor without memory (of the device `meta`)"),
    ("torch._utils._rebuild_wrapper_subclass", "a tensor of a class of its own"),
    ("torch._utils._rebuild_device_tensor", "a tensor of a device that we do not have"),
    ("torch.serialization._get_layout", "a layout, which only sparse tensors have"),
    ("torch.float", "a dtype that tensors do not have here"),
    ("torch.uint", "a dtype that tensors do not have here"),
    ("torch.complex32", "a dtype that tensors do not have here"),
    ("torch.quint", "a quantized dtype"),
    ("torch.qint", "a quantized dtype"),
    ("torch.per_", "a scheme of quantization"),
    ("numpy", "an object of NumPy, which PyTorch refuses as well: save a tensor or a number instead"),
];

/// What a pickle names.
pub(super) fn find(module: &str, name: &str) -> Parsed<Global> {
    known(module, name).ok_or_else(|| {
        let full = format!("{module}.{name}");
        match FOREIGN.iter().find(|(start, _)| full.starts_with(start)) {
            Some((_, what)) => format!("names `{full}`, {what}: not supported"),
            None => format!("names `{full}`, which is not allowed: nothing is run or looked up"),
        }
    })
}

fn known(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("collections", "Counter") => Global::Counter,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensorV3,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::RebuildFromType,
        ("torch", "Size") => Global::Size,
        ("torch", "device") => Global::Device,
        ("torch", "Tensor") | ("torch._tensor", "Tensor") | ("torch.nn.parameter", "Parameter") => Global::Type,
        ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
        ("builtins" | "__builtin__", "complex") => Global::Complex,
        ("builtins" | "__builtin__", "bytearray") => Global::ByteArray,
        ("_codecs", "encode") => Global::Encode,
        ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => Global::Storage(None),
        ("torch", name) => match STORAGES.iter().find(|(n, _)| *n == name) {
            Some((_, dtype)) => Global::Storage(Some(*dtype)),
            None => Global::DType(DType::from_name(name)?),
        },
        _ => return None,
    })
}

/// What a persistent id names: `("storage", class, key, location, count)`.
pub(super) fn storage(arena: &mut Arena, id: Id) -> Parsed<StorageRef> {
    let wrong = || "a persistent id that is no storage".to_string();
    let items = arena.items(id).map_err(|_| wrong())?;
    let (&[tag, class, key, location, count], rest) = items.split_first_chunk::<5>().ok_or_else(wrong)?;
    if arena.str(tag).map_err(|_| wrong())? != "storage" {
        return Err(wrong());
    }
    // Legacy files add a view of another storage, which has long been None.
    match rest {
        [] => {}
        &[view] if matches!(arena.get(view), Node::None) => {}
        [_] => return Err("a storage that is a view of another".to_string()),
        _ => return Err(wrong()),
    }
    let Node::Global(Global::Storage(dtype)) = arena.get(class) else { return Err(wrong()) };
    let (dtype, count) = (*dtype, arena.int(count).map_err(|_| wrong())?);
    let numel = u64::try_from(count).map_err(|_| "a storage of negative size".to_string())?;
    let [key, location] = [key, location].map(|id| arena.str(id).map(str::to_string).map_err(|_| wrong()));
    let (key, location) = (key?, location?);
    arena.spend(key.len() + location.len())?;
    Ok(StorageRef { key, dtype, numel, location })
}

/// What comes of calling a global with a tuple of arguments.
pub(super) fn call(arena: &mut Arena, function: Id, args: Id) -> Parsed<Id> {
    let &Node::Global(global) = arena.get(function) else {
        return Err("calls what is no function".to_string());
    };
    let Node::Tuple(args) = arena.get(args) else {
        return Err("a call without a tuple of arguments".to_string());
    };
    let args = args.clone();
    arena.spend(cost(arena, &args))?;
    apply(arena, global, &args)
}

/// The bytes that a call with these arguments may copy.
fn cost(arena: &Arena, args: &[Id]) -> usize {
    let one = |&id: &Id| match arena.get(id) {
        Node::Str(s) => s.len(),
        Node::Bytes(b) => b.len(),
        Node::List(items) | Node::Tuple(items) => 8 * items.len(),
        Node::Dict(entries) => 8 * entries.len(),
        _ => 1,
    };
    args.iter().map(one).sum::<usize>() + 8 * args.len()
}

fn apply(arena: &mut Arena, global: Global, args: &[Id]) -> Parsed<Id> {
    let wrong = || format!("{} arguments do not fit {global:?}", args.len());
    let node = match (global, args) {
        (Global::OrderedDict, []) => Node::Dict(Vec::new()),
        (Global::OrderedDict, &[items]) => {
            let pair = |&i: &Id| match arena.items(i)? {
                [k, v] => Ok((*k, *v)),
                _ => Err("an entry of an ordered dict that is no pair".to_string()),
            };
            Node::Dict(arena.items(items)?.iter().map(pair).collect::<Parsed<_>>()?)
        }
        // A count is written as a dict.
        (Global::Counter, []) => Node::Dict(Vec::new()),
        (Global::Counter, &[entries]) => match arena.get(entries) {
            Node::Dict(entries) => Node::Dict(entries.clone()),
            _ => return Err(wrong()),
        },
        (Global::RebuildTensor, &[storage, offset, size, stride, ..]) => tensor(arena, [storage, offset, size, stride], None, args.get(6))?,
        (Global::RebuildTensorV3, &[storage, offset, size, stride, _, _, dtype, ..]) => match arena.get(dtype) {
            Node::Global(Global::DType(d)) => tensor(arena, [storage, offset, size, stride], Some(*d), args.get(7))?,
            _ => return Err("a tensor's dtype that is none".to_string()),
        },
        (Global::RebuildParameter, &[data, ..]) => {
            return if matches!(arena.get(data), Node::Tensor(_)) { Ok(data) } else { Err("a parameter of no tensor".to_string()) };
        }
        (Global::RebuildFromType, &[function, kind, args, _]) => {
            if !matches!(arena.get(kind), Node::Global(Global::Type)) {
                return Err("a tensor of another type".to_string());
            }
            let &Node::Global(inner @ (Global::RebuildTensor | Global::RebuildTensorV3 | Global::RebuildParameter)) = arena.get(function)
            else {
                return Err("a tensor rebuilt by something else".to_string());
            };
            let args = arena.items(args)?.to_vec();
            arena.spend(cost(arena, &args))?;
            return apply(arena, inner, &args);
        }
        (Global::Size, &[sizes]) => Node::Tuple(arena.items(sizes)?.to_vec()),
        (Global::Set, []) => Node::List(Vec::new()),
        (Global::Set, &[items]) => Node::List(arena.items(items)?.to_vec()),
        (Global::Complex, &[re, im]) => {
            let part = |id: Id| match arena.get(id) {
                Node::Float(x) => Ok(*x),
                Node::Int(i) => Ok(*i as f64),
                _ => Err("a complex number of something else".to_string()),
            };
            Node::Complex(part(re)?, part(im)?)
        }
        (Global::Encode, &[text, ..]) => Node::Bytes(latin1(arena.str(text)?)?),
        (Global::ByteArray, []) => Node::Bytes(Vec::new()),
        (Global::ByteArray, &[bytes, ..]) => match arena.get(bytes) {
            Node::Bytes(b) => Node::Bytes(b.clone()),
            Node::Str(s) => Node::Bytes(latin1(s)?),
            _ => return Err(wrong()),
        },
        (Global::Device, &[kind]) => Node::Str(arena.str(kind)?.to_string()),
        (Global::Device, &[kind, index]) => Node::Str(format!("{}:{}", arena.str(kind)?, arena.int(index)?)),
        _ => return Err(wrong()),
    };
    arena.push(node)
}

fn latin1(text: &str) -> Parsed<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).map_err(|_| "bytes with a character beyond latin-1".to_string())).collect()
}

/// A tensor of a storage, an offset, sizes and strides. `metadata` may say that it is a conjugate or a negative.
fn tensor(arena: &Arena, [storage, offset, size, stride]: [Id; 4], dtype: Option<DType>, metadata: Option<&Id>) -> Parsed<Node> {
    let Node::Storage(storage) = arena.get(storage) else {
        return Err("a tensor without a storage".to_string());
    };
    let dtype = dtype.or(storage.dtype).ok_or("a tensor without a dtype")?;
    let [sizes, strides] = [size, stride].map(|id| arena.items(id).map_or(0, <[Id]>::len));
    if sizes != strides || sizes > 64 {
        return Err(format!("a tensor with {sizes} sizes and {strides} strides"));
    }
    let (size, stride) = (arena.ints(size)?, arena.ints(stride)?);
    let (mut conj, mut neg) = (false, false);
    if let Some(Node::Dict(facts)) = metadata.map(|&id| arena.get(id)) {
        let truth = |id: Id| matches!(arena.get(id), Node::Bool(true));
        for &(key, value) in facts {
            match arena.str(key) {
                Ok("conj") => conj = truth(value),
                Ok("neg") => neg = truth(value),
                _ => {}
            }
        }
    }
    Ok(Node::Tensor(Box::new(TensorRef { storage: storage.clone(), dtype, offset: arena.int(offset)?, size, stride, conj, neg })))
}
