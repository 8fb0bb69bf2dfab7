//! A machine for pickles that runs no code: what a pickle may name stands in a list ([`super::globals`]).
//!
//! Values lie in an arena and refer to each other by number, so that no depth of nesting and no cycle can hurt while they are read.

use std::collections::HashMap;
use std::rc::Rc;

use super::globals::{self, Global};
use super::integer::{self, decimal, integer};
use super::zip::Parsed;

/// The number of a value in the arena.
pub(super) type Id = u32;

/// A value as a pickle makes it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Big(String),
    Float(f64),
    Complex(f64, f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Rc<StorageRef>),
    Tensor(Box<TensorRef>),
}

/// A storage that a pickle names.
#[derive(Clone, Debug)]
pub(super) struct StorageRef {
    pub(super) key: String,
    /// `None`: bytes whose dtype the tensor gives.
    pub(super) dtype: Option<rushlight_tensor::DType>,
    pub(super) numel: u64,
    /// The device that it was on.
    pub(super) location: String,
}

/// A tensor on a storage.
#[derive(Clone, Debug)]
pub(super) struct TensorRef {
    pub(super) storage: Rc<StorageRef>,
    pub(super) dtype: rushlight_tensor::DType,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
    /// Whether the elements are the conjugates of the storage's.
    pub(super) conj: bool,
    /// Whether they are the negatives.
    pub(super) neg: bool,
}

/// The bytes that a file of so many may come to where parts of it are copied. A byte can make a value (of about 40), so that whatever is not shared has a
/// place; the rest, which the smallest file has as well, is made in a fraction of a second.
pub(super) fn budget(file: usize) -> usize {
    (16 << 20) + 64 * file
}

/// What a run has made.
pub(super) struct Arena {
    nodes: Vec<Node>,
    /// The bytes that calls may still copy: a few bytes of pickle can copy a long value again and again.
    budget: usize,
}

impl Arena {
    pub(super) fn get(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn push(&mut self, node: Node) -> Parsed<Id> {
        let id = Id::try_from(self.nodes.len()).map_err(|_| "the pickle makes too many values")?;
        self.nodes.push(node);
        Ok(id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    /// Counts bytes that a call copies.
    pub(super) fn spend(&mut self, bytes: usize) -> Parsed<()> {
        self.budget = self.budget.checked_sub(bytes).ok_or("calls make the contents far larger than the file")?;
        Ok(())
    }

    /// The storages of all tensors, by key.
    pub(super) fn storages(&self) -> HashMap<&str, &StorageRef> {
        self.nodes.iter().filter_map(|n| if let Node::Storage(s) = n { Some((s.key.as_str(), &**s)) } else { None }).collect()
    }

    pub(super) fn int(&self, id: Id) -> Parsed<i64> {
        if let Node::Int(i) = self.get(id) { Ok(*i) } else { Err("an integer is wanted".to_string()) }
    }

    pub(super) fn ints(&self, id: Id) -> Parsed<Vec<i64>> {
        match self.get(id) {
            Node::Tuple(items) | Node::List(items) => items.iter().map(|&i| self.int(i)).collect(),
            _ => Err("a tuple of integers is wanted".to_string()),
        }
    }

    pub(super) fn str(&self, id: Id) -> Parsed<&str> {
        if let Node::Str(s) = self.get(id) { Ok(s) } else { Err("a string is wanted".to_string()) }
    }

    pub(super) fn items(&self, id: Id) -> Parsed<&[Id]> {
        match self.get(id) {
            Node::Tuple(items) | Node::List(items) => Ok(items),
            _ => Err("a list or tuple is wanted".to_string()),
        }
    }
}

/// A pickle being read.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    arena: Arena,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

/// Runs a pickle at the start of the bytes: the arena, the value, and how many bytes it took.
pub(super) fn run(bytes: &[u8]) -> Parsed<(Arena, Id, usize)> {
    let arena = Arena { nodes: Vec::new(), budget: budget(bytes.len()) };
    let mut m = Machine { bytes, at: 0, arena, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let at = m.at;
        let code = m.byte()?;
        if code == b'.' {
            let top = m.pop()?;
            return Ok((m.arena, top, m.at));
        }
        m.step(code).map_err(|e| format!("pickle, byte {at}: {e}"))?;
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, n: usize) -> Parsed<&'a [u8]> {
        let stop = self.at.checked_add(n).filter(|&s| s <= self.bytes.len());
        let stop = stop.ok_or_else(|| format!("the pickle is cut: {n} bytes are wanted, {} are left", self.bytes.len() - self.at))?;
        let taken = &self.bytes[self.at..stop];
        self.at = stop;
        Ok(taken)
    }

    fn byte(&mut self) -> Parsed<u8> {
        Ok(self.take(1)?[0])
    }

    /// A length in n little-endian bytes.
    fn length(&mut self, n: usize) -> Parsed<usize> {
        let value = self.take(n)?.iter().rev().fold(0u64, |sum, &b| sum << 8 | u64::from(b));
        usize::try_from(value).map_err(|_| "a length beyond memory".to_string())
    }

    fn line(&mut self) -> Parsed<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n').ok_or("the pickle is cut in a line")?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| "a line is not UTF-8".to_string())
    }

    fn push(&mut self, node: Node) -> Parsed<()> {
        let id = self.arena.push(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// The top of the stack; nothing below the last mark is taken.
    fn pop(&mut self) -> Parsed<Id> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err("the stack of the pickle is empty".to_string());
        }
        self.stack.pop().ok_or_else(|| "the stack of the pickle is empty".to_string())
    }

    fn top(&self) -> Parsed<Id> {
        let last = self.stack.last().filter(|_| self.stack.len() > self.marks.last().copied().unwrap_or(0));
        last.copied().ok_or_else(|| "the stack of the pickle is empty".to_string())
    }

    /// What lies above the last mark.
    fn above_mark(&mut self) -> Parsed<Vec<Id>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        // A vector of their own: `split_off` can hand on all that the stack has ever reserved.
        Ok(self.stack.drain(mark..).collect())
    }

    fn str(&mut self, n: usize) -> Parsed<()> {
        let text = std::str::from_utf8(self.take(n)?).map_err(|_| "a string is not UTF-8")?;
        self.push(Node::Str(text.to_string()))
    }

    fn bytes(&mut self, n: usize) -> Parsed<()> {
        let bytes = self.take(n)?.to_vec();
        self.push(Node::Bytes(bytes))
    }

    fn long(&mut self, n: usize) -> Parsed<()> {
        if n > integer::LONGEST {
            return Err(format!("an integer of {n} bytes"));
        }
        let bytes = self.take(n)?;
        self.push(integer(bytes))
    }

    fn remember(&mut self, key: u64) -> Parsed<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Parsed<()> {
        let id = *self.memo.get(&key).ok_or_else(|| format!("memo entry {key} was never stored"))?;
        self.stack.push(id);
        Ok(())
    }

    fn pairs(items: &[Id]) -> Parsed<Vec<(Id, Id)>> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() { Ok(pairs.iter().map(|[k, v]| (*k, *v)).collect()) } else { Err("a key without a value".to_string()) }
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Parsed<()> {
        let list = self.top()?;
        match self.arena.get_mut(list) {
            Node::List(all) => all.extend(items),
            _ => return Err("appends to what is no list".to_string()),
        }
        Ok(())
    }

    fn extend_dict(&mut self, pairs: Vec<(Id, Id)>) -> Parsed<()> {
        let dict = self.top()?;
        match self.arena.get_mut(dict) {
            Node::Dict(all) => all.extend(pairs),
            _ => return Err("sets an item of what is no dict".to_string()),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Parsed<()> {
        self.push(Node::Global(globals::find(module, name)?))
    }

    fn tuple(&mut self, n: usize) -> Parsed<()> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Parsed<Vec<_>>>()?;
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn step(&mut self, code: u8) -> Parsed<()> {
        match code {
            // PROTO, FRAME
            0x80 => match self.byte()? {
                0..=5 => Ok(()),
                v => Err(format!("protocol {v}")),
            },
            0x95 => self.take(8).map(|_| ()),
            // Constants.
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            // Integers.
            b'J' => {
                let bytes = self.take(4)?;
                self.push(integer(bytes))
            }
            b'K' => {
                let n = self.byte()?;
                self.push(Node::Int(i64::from(n)))
            }
            b'M' => {
                let n = self.length(2)?;
                self.push(Node::Int(n as i64))
            }
            0x8a => {
                let n = usize::from(self.byte()?);
                self.long(n)
            }
            0x8b => {
                let n = self.length(4)?;
                self.long(n)
            }
            b'I' | b'L' => {
                let line = self.line()?;
                let node = match line {
                    "00" => Node::Bool(false),
                    "01" => Node::Bool(true),
                    text => decimal(text.strip_suffix('L').unwrap_or(text))?,
                };
                self.push(node)
            }
            // Floats.
            b'G' => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| "the pickle is cut")?;
                self.push(Node::Float(f64::from_be_bytes(bytes)))
            }
            b'F' => {
                let x = self.line()?.parse().map_err(|_| "a float that is none")?;
                self.push(Node::Float(x))
            }
            // Strings and bytes.
            b'X' => {
                let n = self.length(4)?;
                self.str(n)
            }
            0x8c => {
                let n = usize::from(self.byte()?);
                self.str(n)
            }
            0x8d => {
                let n = self.length(8)?;
                self.str(n)
            }
            b'V' => {
                let text = unescaped(self.line()?)?;
                self.push(Node::Str(text))
            }
            b'U' => {
                let n = usize::from(self.byte()?);
                self.str(n)
            }
            b'T' => {
                let n = self.length(4)?;
                self.str(n)
            }
            b'B' => {
                let n = self.length(4)?;
                self.bytes(n)
            }
            b'C' => {
                let n = usize::from(self.byte()?);
                self.bytes(n)
            }
            0x8e | 0x96 => {
                let n = self.length(8)?;
                self.bytes(n)
            }
            _ => self.structure(code),
        }
    }

    /// Containers, the memo, and what names globals.
    fn structure(&mut self, code: u8) -> Parsed<()> {
        match code {
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => {
                // POP takes a mark where nothing lies above it.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                    return Ok(());
                }
                self.pop().map(|_| ())
            }
            b'1' => self.above_mark().map(|_| ()),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            0x8f => self.push(Node::List(Vec::new())),
            b'l' => {
                let items = self.above_mark()?;
                self.push(Node::List(items))
            }
            b't' => {
                let items = self.above_mark()?;
                self.push(Node::Tuple(items))
            }
            b'd' => {
                let items = self.above_mark()?;
                self.push(Node::Dict(Machine::pairs(&items)?))
            }
            0x85..=0x87 => self.tuple(usize::from(code - 0x84)),
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])
            }
            b'e' | 0x90 => {
                let items = self.above_mark()?;
                self.extend_list(items)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(vec![(key, value)])
            }
            b'u' => {
                let items = self.above_mark()?;
                self.extend_dict(Machine::pairs(&items)?)
            }
            b'q' => {
                let key = u64::from(self.byte()?);
                self.remember(key)
            }
            b'r' => {
                let key = self.length(4)? as u64;
                self.remember(key)
            }
            b'p' => {
                let key = self.line()?.parse().map_err(|_| "a memo entry without a number")?;
                self.remember(key)
            }
            0x94 => self.remember(self.memo.len() as u64),
            b'h' => {
                let key = u64::from(self.byte()?);
                self.recall(key)
            }
            b'j' => {
                let key = self.length(4)? as u64;
                self.recall(key)
            }
            b'g' => {
                let key = self.line()?.parse().map_err(|_| "a memo entry without a number")?;
                self.recall(key)
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.arena.str(module)?.to_string(), self.arena.str(name)?.to_string());
                self.global(&module, &name)
            }
            // NEWOBJ makes what REDUCE makes, of the classes that are allowed.
            b'R' | 0x81 => {
                let (args, function) = (self.pop()?, self.pop()?);
                let made = globals::call(&mut self.arena, function, args)?;
                self.stack.push(made);
                Ok(())
            }
            b'b' => {
                self.pop()?;
                let target = self.top()?;
                // Attributes of an ordered dict (its metadata) or of a tensor, which nobody reads.
                match self.arena.get(target) {
                    Node::Dict(_) | Node::Tensor(_) => Ok(()),
                    _ => Err("sets attributes of what has none".to_string()),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = globals::storage(&mut self.arena, id)?;
                self.push(Node::Storage(Rc::new(storage)))
            }
            other => Err(format!("opcode {other:#04x} is not known or not allowed")),
        }
    }
}

/// A string of protocol 0, in which `\\u` and four hexadecimal digits, or `\\U` and eight, are characters.
fn unescaped(text: &str) -> Parsed<String> {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let digits = match part.as_bytes().first() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        if digits == 0 {
            // A backslash that begins no character stands for itself.
            out.push('\\');
            out.push_str(part);
            continue;
        }
        let code = part.get(1..=digits).and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
        out.push(code.ok_or("an escape in a string that is no character")?);
        out.push_str(&part[digits + 1..]);
    }
    Ok(out)
}
