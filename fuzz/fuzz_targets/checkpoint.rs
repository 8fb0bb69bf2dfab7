//! PyTorch's files: no bytes may make the reader panic, hang or allocate without measure. What it reads can be printed, written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rushlight_nn::checkpoint::{load_bytes, to_bytes};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = load_bytes(bytes) {
        let text = format!("{value:?}");
        let again = load_bytes(&to_bytes(&value).expect("what was read can be written")).expect("what was written can be read");
        assert_eq!(format!("{again:?}"), text);
    }
});
