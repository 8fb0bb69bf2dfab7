//! Zip archives without compression, as `torch.save` writes them.

use std::collections::HashMap;

/// What is wrong with a file.
pub(super) type Parsed<T> = Result<T, String>;

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut t = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let (mut c, mut k) = (i as u32, 0);
        while k < 8 {
            c = if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
            k += 1;
        }
        t[0][i] = c;
        i += 1;
    }
    i = 0;
    while i < 256 {
        let mut k = 1;
        while k < 8 {
            t[k][i] = (t[k - 1][i] >> 8) ^ t[0][(t[k - 1][i] & 255) as usize];
            k += 1;
        }
        i += 1;
    }
    t
}

/// The checksum of zip entries (CRC-32), eight bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut c = !0u32;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk) ^ u64::from(c);
        c = (0..8).fold(0, |sum, i| sum ^ TABLES[7 - i][(word >> (8 * i)) as usize & 255]);
    }
    for &b in rest {
        c = (c >> 8) ^ TABLES[0][((c ^ u32::from(b)) & 255) as usize];
    }
    !c
}

/// Little-endian numbers at a place.
fn u16_at(bytes: &[u8], at: usize) -> Parsed<u64> {
    bytes.get(at..).and_then(|b| b.first_chunk::<2>()).map(|b| u64::from(u16::from_le_bytes(*b))).ok_or_else(cut)
}

fn u32_at(bytes: &[u8], at: usize) -> Parsed<u64> {
    bytes.get(at..).and_then(|b| b.first_chunk::<4>()).map(|b| u64::from(u32::from_le_bytes(*b))).ok_or_else(cut)
}

fn u64_at(bytes: &[u8], at: usize) -> Parsed<u64> {
    bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map(|b| u64::from_le_bytes(*b)).ok_or_else(cut)
}

fn cut() -> String {
    "the zip archive is cut".to_string()
}

struct Entry {
    header: u64,
    size: u64,
    crc: u32,
}

/// An archive in memory. Entries are checked when they are read.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: HashMap<String, Entry>,
}

const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(super) fn new(bytes: &'a [u8]) -> Parsed<Archive<'a>> {
        // The end record is followed by a comment of at most 65,535 bytes.
        let first = bytes.len().saturating_sub(22 + 0xffff);
        let end = (first..=bytes.len().saturating_sub(22))
            .rev()
            .find(|&at| {
                u32_at(bytes, at) == Ok(u64::from(END)) && u16_at(bytes, at + 20).is_ok_and(|n| at + 22 + n as usize == bytes.len())
            })
            .ok_or("the zip archive has no directory")?;
        let (mut count, mut size, mut start) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 12)?, u32_at(bytes, end + 16)?);
        if let Some(locator) = end.checked_sub(20).filter(|&at| u32_at(bytes, at) == Ok(u64::from(LOCATOR64))) {
            let at = usize::try_from(u64_at(bytes, locator + 8)?).map_err(|_| cut())?;
            if u32_at(bytes, at)? != u64::from(END64) {
                return Err("the zip archive's 64-bit directory is not where it should be".to_string());
            }
            (count, size, start) = (u64_at(bytes, at + 32)?, u64_at(bytes, at + 40)?, u64_at(bytes, at + 48)?);
        }
        let directory = start.checked_add(size).filter(|&stop| stop <= end as u64).ok_or("the zip directory lies beyond its place")?;
        let (mut at, stop) = (start as usize, directory as usize);
        let (mut entries, mut total) = (HashMap::new(), 0u64);
        for _ in 0..count {
            if at >= stop {
                return Err("the zip directory has fewer entries than it says".to_string());
            }
            let (name, entry, next) = Archive::entry(bytes, at)?;
            // Entries that share their bytes could make much of a small file.
            total = total.saturating_add(entry.size);
            if total > bytes.len() as u64 {
                return Err("the entries of the zip archive are larger than the file".to_string());
            }
            if entries.insert(name.clone(), entry).is_some() {
                return Err(format!("the zip archive holds `{name}` twice"));
            }
            at = next;
        }
        Ok(Archive { bytes, entries })
    }

    /// An entry of the directory and where the next begins.
    fn entry(bytes: &[u8], at: usize) -> Parsed<(String, Entry, usize)> {
        if u32_at(bytes, at)? != u64::from(CENTRAL) {
            return Err("the zip directory is malformed".to_string());
        }
        let (flags, method) = (u16_at(bytes, at + 8)?, u16_at(bytes, at + 10)?);
        let (crc, packed, size) = (u32_at(bytes, at + 16)?, u32_at(bytes, at + 20)?, u32_at(bytes, at + 24)?);
        let [name_len, extra_len, comment_len] = [28, 30, 32].map(|o| u16_at(bytes, at + o).unwrap_or(0) as usize);
        let name = bytes.get(at + 46..at + 46 + name_len).ok_or_else(cut)?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| "a name in the zip archive is not UTF-8")?;
        let extra = bytes.get(at + 46 + name_len..at + 46 + name_len + extra_len).ok_or_else(cut)?;
        // 64-bit numbers stand in the extra field, in this order, where the 32-bit ones are all ones.
        let mut numbers = [size, packed, u32_at(bytes, at + 42)?];
        let mut field = extra;
        while let (Ok(id), Ok(len)) = (u16_at(field, 0), u16_at(field, 2)) {
            let body = field.get(4..4 + len as usize).ok_or_else(cut)?;
            if id == 1 {
                let mut wide = body.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b));
                for n in numbers.iter_mut().filter(|n| **n == u64::from(u32::MAX)) {
                    *n = wide.next().ok_or("a 64-bit number is missing in the zip directory")?;
                }
            }
            field = &field[4 + len as usize..];
        }
        let [size, packed, header] = numbers;
        if flags & 1 != 0 {
            return Err(format!("`{name}` in the zip archive is encrypted"));
        }
        if method != 0 || packed != size {
            return Err(format!("`{name}` in the zip archive is compressed, which PyTorch's files never are"));
        }
        Ok((name, Entry { header, size, crc: crc as u32 }, at + 46 + name_len + extra_len + comment_len))
    }

    /// The names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The bytes of an entry, whose checksum must hold.
    pub(super) fn read(&self, name: &str) -> Parsed<&'a [u8]> {
        let entry = self.entries.get(name).ok_or_else(|| format!("no `{name}` in the zip archive"))?;
        let header = usize::try_from(entry.header).map_err(|_| cut())?;
        if u32_at(self.bytes, header)? != u64::from(LOCAL) {
            return Err(format!("`{name}` is not where the zip directory says"));
        }
        let skip = 30 + u16_at(self.bytes, header + 26)? as usize + u16_at(self.bytes, header + 28)? as usize;
        let stop = usize::try_from(entry.size).ok().and_then(|n| (header + skip).checked_add(n)).ok_or_else(cut)?;
        let data = self.bytes.get(header + skip..stop).ok_or_else(cut)?;
        if crc32(data) == entry.crc { Ok(data) } else { Err(format!("the checksum of `{name}` in the zip archive does not hold")) }
    }
}

/// Writes an archive. Data begin at multiples of 64 bytes, as PyTorch's do.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u64,
}

impl Writer {
    pub(super) fn add(&mut self, name: &str, data: &[u8]) {
        let (crc, size, header) = (crc32(data), data.len() as u64, self.bytes.len() as u64);
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let wide = short(size) == u32::MAX;
        let mut extra = Vec::new();
        if wide {
            extra.extend([1u16, 16].iter().flat_map(|n| n.to_le_bytes()));
            extra.extend([size, size].iter().flat_map(|n| n.to_le_bytes()));
        }
        // A field without meaning moves the data to a multiple of 64.
        let before = self.bytes.len() + 30 + name.len() + extra.len() + 4;
        let padding = before.next_multiple_of(64) - before;
        extra.extend([0x4246u16, padding as u16].iter().flat_map(|n| n.to_le_bytes()));
        extra.extend(std::iter::repeat_n(b'Z', padding));
        let fields = |out: &mut Vec<u8>| {
            // Version 4.5 for 64-bit numbers, UTF-8 names, no compression, the first of January 1980.
            out.extend([45u16, 0x800, 0, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()));
            out.extend([crc, short(size), short(size)].iter().flat_map(|n| n.to_le_bytes()));
            out.extend((name.len() as u16).to_le_bytes());
        };
        self.bytes.extend(LOCAL.to_le_bytes());
        fields(&mut self.bytes);
        self.bytes.extend((extra.len() as u16).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(extra);
        self.bytes.extend(data);

        let mut numbers = Vec::new();
        if wide {
            numbers.extend([size, size]);
        }
        if short(header) == u32::MAX {
            numbers.push(header);
        }
        let mut extra = Vec::new();
        if !numbers.is_empty() {
            extra.extend([1u16, 8 * numbers.len() as u16].iter().flat_map(|n| n.to_le_bytes()));
            extra.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        }
        self.directory.extend(CENTRAL.to_le_bytes());
        self.directory.extend(45u16.to_le_bytes());
        fields(&mut self.directory);
        self.directory.extend([extra.len() as u16, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
        self.directory.extend([0, short(header)].iter().flat_map(|n: &u32| n.to_le_bytes()));
        self.directory.extend(name.as_bytes());
        self.directory.extend(extra);
        self.count += 1;
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let (start, size) = (self.bytes.len() as u64, self.directory.len() as u64);
        self.bytes.append(&mut self.directory);
        if start + size >= u64::from(u32::MAX) || self.count >= 0xffff {
            let end64 = self.bytes.len() as u64;
            self.bytes.extend(END64.to_le_bytes());
            self.bytes.extend(44u64.to_le_bytes());
            self.bytes.extend([45u16, 45].iter().flat_map(|n| n.to_le_bytes()));
            self.bytes.extend([0u32, 0].iter().flat_map(|n| n.to_le_bytes()));
            self.bytes.extend([self.count, self.count, size, start].iter().flat_map(|n| n.to_le_bytes()));
            self.bytes.extend(LOCATOR64.to_le_bytes());
            self.bytes.extend(0u32.to_le_bytes());
            self.bytes.extend(end64.to_le_bytes());
            self.bytes.extend(1u32.to_le_bytes());
        }
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        self.bytes.extend(END.to_le_bytes());
        self.bytes.extend([0, 0, count, count].iter().flat_map(|n: &u16| n.to_le_bytes()));
        self.bytes.extend([short(size), short(start)].iter().flat_map(|n| n.to_le_bytes()));
        self.bytes.extend(0u16.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.add("a/one", b"first");
        writer.add("a/two", &[7; 1000]);
        let bytes = writer.finish();
        let archive = Archive::new(&bytes).unwrap();
        assert_eq!(archive.read("a/one").unwrap(), b"first");
        assert_eq!(archive.read("a/two").unwrap(), [7; 1000]);
        for cut in 0..bytes.len() {
            assert!(Archive::new(&bytes[..cut]).is_err());
        }
    }
}
