//! Files seen as memory.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file: mapped where the system can do that, so that only what is looked at is read, else copied.
///
/// Nobody may change the file while this lives: the bytes would change with it, and where it is cut short, looking at them ends the process.
#[derive(Debug)]
pub struct Mapped(Inner);

#[derive(Debug)]
enum Inner {
    Map(Mmap),
    Copy(Vec<u8>),
}

impl Mapped {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(path: &Path) -> io::Result<Mapped> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        // An empty file cannot be mapped, nor what is no plain file, such as a pipe.
        if about.is_file() && about.len() > 0 {
            // SAFETY: the mapping is private, for reading, and owned by the value, which hands out its bytes no longer than it lives. Any byte is a
            // valid u8. That other processes leave the file alone meanwhile is what the documentation asks for.
            if let Ok(map) = unsafe { Mmap::map(&file) } {
                return Ok(Mapped(Inner::Map(map)));
            }
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Mapped(Inner::Copy(bytes)))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Map(map) => map,
            Inner::Copy(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mapped;

    #[test]
    fn the_bytes_are_the_files() {
        let path = std::env::temp_dir().join(format!("rushlight-mapped-{}", std::process::id()));
        for content in [&b""[..], b"some bytes"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(&*Mapped::open(&path).unwrap(), content);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Mapped::open(&path).is_err());
        assert!(Mapped::open(&std::env::temp_dir()).is_err());
    }
}
