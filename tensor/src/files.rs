//! What readers and writers of files have in common: files are read through a mapping and written in one step.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rushlight_backend::{Error, Result};

pub use rushlight_backend_cpu::files::Mapped;

/// The bytes of a file, mapped.
///
/// # Errors
/// If it cannot be read; the message names it.
pub fn map(op: &'static str, path: &Path) -> Result<Mapped> {
    Mapped::open(path).map_err(|e| Error::io(op, format!("{}: {e}", path.display())))
}

/// Writes a file that takes the place of an old one in one step, when it is complete and on the disk: `write` gets the name of a temporary file in the same
/// folder. A crash at any time leaves the old file, or none.
///
/// # Errors
/// If the file cannot be written.
pub fn replace(op: &'static str, path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let io = |e: &dyn std::fmt::Display| Error::io(op, format!("{}: {e}", path.display()));
    let file_name = path.file_name().ok_or_else(|| io(&"not the name of a file"))?.to_string_lossy();
    let unique = format!(".{file_name}.{}.{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = Temporary(path.with_file_name(unique));
    write(&temporary.0).map_err(|e| io(&e))?;
    // On the disk before it takes the name of what it replaces.
    fs::OpenOptions::new().write(true).open(&temporary.0).and_then(|f| f.sync_all()).map_err(|e| io(&e))?;
    fs::rename(&temporary.0, path).map_err(|e| io(&e))?;
    // The new name as well, where folders can be opened.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io(&e))?;
    }
    Ok(())
}

/// A file that is removed if it has not been renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the renaming there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}

/// An error with the file's name in front.
pub fn in_file(path: &Path, e: &Error) -> Error {
    Error::new(e.kind(), e.op().to_owned(), format!("{}: {}", path.display(), e.message()))
}
