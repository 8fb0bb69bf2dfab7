//! The pickles in PyTorch's files: an archive with these bytes as its pickle and a few storages, so that checksums do not keep changed bytes out.
//! No pickle may make the reader panic, hang or allocate without measure. What it reads can be printed, written and read again.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use rushlight_nn::checkpoint::{load_bytes, to_bytes};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive of PyTorch's around a pickle.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).expect("a name");
        zip.write_all(bytes).expect("memory");
    };
    add("archive/data.pkl", pickle);
    // Bytes of storages with 1 to 64 elements of any dtype.
    for (key, bytes) in [4, 8, 24, 32, 48, 64, 256].into_iter().enumerate() {
        add(&format!("archive/data/{key}"), &(0..bytes).map(|i| i as u8).collect::<Vec<u8>>());
    }
    zip.finish().expect("memory").into_inner()
}

fuzz_target!(|pickle: &[u8]| {
    if let Ok(value) = load_bytes(&archive(pickle)) {
        let text = format!("{value:?}");
        let again = load_bytes(&to_bytes(&value).expect("what was read can be written")).expect("what was written can be read");
        assert_eq!(format!("{again:?}"), text);
    }
});
