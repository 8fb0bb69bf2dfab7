//! What a pickle may name, and what comes of calling it. Nothing else is looked up, and none of it is code of anybody's but this file's.

use rushlight_tensor::DType;

use super::pickle::{Arena, Id, Node, StorageRef, TensorRef};
use super::zip::Parsed;

/// A name that is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
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

pub(super) fn find(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
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
pub(super) fn storage(arena: &Arena, id: Id) -> Parsed<StorageRef> {
    let wrong = || "a persistent id that is no storage".to_string();
    let items = arena.items(id).map_err(|_| wrong())?;
    let (&[tag, class, key, _, count], rest) = items.split_first_chunk::<5>().ok_or_else(wrong)?;
    if arena.str(tag).map_err(|_| wrong())? != "storage" {
        return Err(wrong());
    }
    // Legacy files add a view of another storage, which has long been None.
    if rest.iter().any(|&r| !matches!(arena.get(r), Node::None)) {
        return Err("a storage that is a view of another".to_string());
    }
    let Node::Global(Global::Storage(dtype)) = arena.get(class) else { return Err(wrong()) };
    let numel = u64::try_from(arena.int(count).map_err(|_| wrong())?).map_err(|_| "a storage of negative size".to_string())?;
    Ok(StorageRef { key: arena.str(key).map_err(|_| wrong())?.to_string(), dtype: *dtype, numel })
}

/// What comes of calling a global with a tuple of arguments.
pub(super) fn call(arena: &mut Arena, function: Id, args: Id) -> Parsed<Id> {
    let &Node::Global(global) = arena.get(function) else {
        return Err("calls what is no function".to_string());
    };
    let Node::Tuple(args) = arena.get(args) else {
        return Err("a call without a tuple of arguments".to_string());
    };
    apply(arena, global, &args.clone())
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
        (Global::RebuildTensor, &[storage, offset, size, stride, ..]) => tensor(arena, [storage, offset, size, stride], None)?,
        (Global::RebuildTensorV3, &[storage, offset, size, stride, _, _, dtype, ..]) => match arena.get(dtype) {
            Node::Global(Global::DType(d)) => tensor(arena, [storage, offset, size, stride], Some(*d))?,
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

fn tensor(arena: &Arena, [storage, offset, size, stride]: [Id; 4], dtype: Option<DType>) -> Parsed<Node> {
    let Node::Storage(storage) = arena.get(storage) else {
        return Err("a tensor without a storage".to_string());
    };
    let dtype = dtype.or(storage.dtype).ok_or("a tensor without a dtype")?;
    let (size, stride) = (arena.ints(size)?, arena.ints(stride)?);
    if size.len() != stride.len() || size.len() > 64 {
        return Err(format!("a tensor with {} sizes and {} strides", size.len(), stride.len()));
    }
    Ok(Node::Tensor(TensorRef { storage: storage.clone(), dtype, offset: arena.int(offset)?, size, stride }))
}
