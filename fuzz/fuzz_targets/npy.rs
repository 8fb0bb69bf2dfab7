//! NumPy's files: no bytes may make the reader panic, hang or allocate without measure.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rushlight_tensor::Tensor;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensor) = Tensor::from_npy_bytes(bytes) {
        drop(format!("{tensor:?}"));
    }
});
