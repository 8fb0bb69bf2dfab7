//! Integers beyond 64 bits, as pickles have them: bytes in two's complement, or decimal digits.

use super::pickle::Node;
use super::zip::Parsed;

/// The most bytes of an integer: Python's have no end, ours that are worth keeping do.
pub(super) const LONGEST: usize = 1024;

/// The most decimal digits: any number of so many fits [`LONGEST`] bytes.
const DIGITS: usize = 2465;

/// An integer of little-endian bytes in two's complement.
pub(super) fn integer(bytes: &[u8]) -> Node {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    if bytes.len() <= 8 {
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        return Node::Int(i64::from_le_bytes(whole));
    }
    // The magnitude in words of 32 bits, the least significant first.
    let fill = if negative { 0xff } else { 0 };
    let word = |part: &[u8]| u32::from_le_bytes(std::array::from_fn(|i| part.get(i).copied().unwrap_or(fill)));
    let mut words: Vec<u32> = bytes.chunks(4).map(word).collect();
    if negative {
        // The complement plus one.
        let mut carry = true;
        for w in &mut words {
            (*w, carry) = (!*w).overflowing_add(u32::from(carry));
        }
    }
    // Divided by a thousand million again and again.
    let mut groups = Vec::new();
    while words.iter().any(|&w| w != 0) {
        let mut rest = 0u64;
        for w in words.iter_mut().rev() {
            let whole = rest << 32 | u64::from(*w);
            (*w, rest) = ((whole / 1_000_000_000) as u32, whole % 1_000_000_000);
        }
        groups.push(rest);
    }
    let mut text = if negative { "-".to_string() } else { String::new() };
    text += &groups.pop().unwrap_or(0).to_string();
    groups.iter().rev().for_each(|g| text += &format!("{g:09}"));
    text.parse().map_or(Node::Big(text), Node::Int)
}

/// The bytes of an integer in decimal digits, in two's complement: the inverse of [`integer`].
pub(super) fn integer_bytes(digits: &str) -> Vec<u8> {
    let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |d| (true, d));
    let mut bytes = vec![0u8];
    for digit in digits.bytes().filter(u8::is_ascii_digit) {
        let mut carry = u32::from(digit - b'0');
        for b in &mut bytes {
            let whole = u32::from(*b) * 10 + carry;
            (*b, carry) = (whole as u8, whole >> 8);
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    if bytes.last().is_some_and(|b| b & 0x80 != 0) {
        bytes.push(0);
    }
    if negative {
        let mut carry = true;
        for b in &mut bytes {
            (*b, carry) = (!*b).overflowing_add(u8::from(carry));
        }
    }
    bytes
}

/// An integer in decimal digits.
pub(super) fn decimal(text: &str) -> Parsed<Node> {
    if let Ok(i) = text.parse() {
        return Ok(Node::Int(i));
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |d| ("-", d));
    if digits.is_empty() || digits.len() > DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("an integer that is none".to_string());
    }
    Ok(Node::Big(format!("{sign}{}", digits.trim_start_matches('0'))))
}
