//! Safetensors files: no bytes may make the reader panic, hang or allocate without measure.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rushlight_tensor::safetensors::parse_safetensors;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = parse_safetensors(bytes) {
        drop(format!("{read:?}"));
    }
});
