//! NumPy files: bytes as NumPy writes them, everything back again, and what is refused.

use rushlight_tensor::{DType, Tensor};

/// A file with this header and these elements, as `numpy.save` lays it out.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.to_string();
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn bytes_as_numpy_writes_them() {
    // numpy.save(f, numpy.array([[1, 2, 3], [4, 5, 6]], dtype='<i2'))
    let data: Vec<u8> = (1i16..=6).flat_map(i16::to_le_bytes).collect();
    let wanted = file("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }", &data);
    let x = Tensor::from_npy_bytes(&wanted).unwrap();
    assert_eq!((x.shape(), x.to_vec::<i16>().unwrap()), ([2, 3].as_slice(), vec![1, 2, 3, 4, 5, 6]));
    // Column-major, big-endian, one dimension, none.
    let turned: Vec<u8> = [1i16, 4, 2, 5, 3, 6].into_iter().flat_map(i16::to_be_bytes).collect();
    let y = Tensor::from_npy_bytes(&file("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", &turned)).unwrap();
    assert_eq!((y.shape(), y.to_vec::<i16>().unwrap()), (x.shape(), x.to_vec::<i16>().unwrap()));
    let z = Tensor::from_npy_bytes(&file("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", &2.5f64.to_le_bytes())).unwrap();
    assert_eq!((z.shape().len(), z.item::<f64>().unwrap()), (0, 2.5));
    let b = Tensor::from_npy_bytes(&file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", &[0, 1, 7])).unwrap();
    assert_eq!(b.to_vec::<bool>().unwrap(), [false, true, true]);
}

#[test]
fn everything_comes_back() {
    let x = Tensor::new([[0.0f64, 1.0, -2.0], [3.5, 100.0, 7.0]]).unwrap();
    use DType::*;
    for dtype in [Bool, U8, I8, I16, I32, I64, F16, F32, F64, C64, C128] {
        for x in [x.clone(), x.t().unwrap(), x.slice(1, 0, 0, 1).unwrap(), x.select(0, 0).unwrap()] {
            let x = x.to_dtype(dtype).unwrap();
            let bytes = x.to_npy_bytes().unwrap();
            assert!((bytes.len() - x.numel() * dtype.size()).is_multiple_of(64));
            let y = Tensor::from_npy_bytes(&bytes).unwrap();
            assert_eq!((y.dtype(), y.shape(), y.to_bytes().unwrap()), (x.dtype(), x.shape(), x.to_bytes().unwrap()));
        }
    }
    assert!(x.to_dtype(BF16).unwrap().to_npy_bytes().unwrap_err().to_string().contains("bfloat16"));
}

/// An archive that `numpy.savez_compressed(f, x=numpy.arange(3, dtype='<i2'))` has written, and what is written here.
#[cfg(feature = "npz")]
#[test]
fn archives() {
    let recorded = include_bytes!("data/compressed.npz");
    let all = Tensor::from_npz_bytes(recorded).unwrap();
    assert_eq!((all.len(), all[0].0.as_str(), all[0].1.to_vec::<i16>().unwrap()), (2, "x", vec![0, 1, 2]));
    assert_eq!((all[1].0.as_str(), all[1].1.shape(), all[1].1.item::<f64>().unwrap()), ("a/b", [].as_slice(), 2.5));
    for compressed in [false, true] {
        let bytes = Tensor::to_npz_bytes(&[("x", &all[0].1), ("a/b", &all[1].1)], compressed).unwrap();
        let back = Tensor::from_npz_bytes(&bytes).unwrap();
        assert!(
            back.iter()
                .zip(&all)
                .all(|(b, a)| b.0 == a.0 && b.1.shape() == a.1.shape() && b.1.to_bytes().unwrap() == a.1.to_bytes().unwrap())
        );
        for len in 0..bytes.len() {
            assert!(Tensor::from_npz_bytes(&bytes[..len]).is_err());
        }
    }
    assert!(Tensor::to_npz_bytes(&[("x", &all[0].1), ("x", &all[1].1)], false).is_err());
}

/// Sizes in an archive that are not those of what lies in it.
#[cfg(feature = "npz")]
#[test]
fn archives_that_lie() {
    let x = Tensor::zeros(1 << 16, ()).unwrap();
    let good = Tensor::to_npz_bytes(&[("x", &x)], true).unwrap();
    assert!(good.len() < 1 << 10);
    let directory = good.windows(4).rposition(|w| w == [b'P', b'K', 1, 2]).unwrap();
    let size = u32::from_le_bytes(good[directory + 24..directory + 28].try_into().unwrap());
    // The packed size is four bytes before that of what is unpacked.
    for (at, number) in [(24, size - 1), (24, size + 1), (24, u32::MAX - 1), (20, 1 << 20)] {
        let mut bytes = good.clone();
        bytes[directory + at..directory + at + 4].copy_from_slice(&number.to_le_bytes());
        let error = Tensor::from_npz_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("npz"), "{error}");
    }
}

#[test]
fn what_is_refused() {
    let good = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[0; 8]);
    let error = |bytes: &[u8]| Tensor::from_npy_bytes(bytes).unwrap_err().to_string();
    for len in 0..good.len() {
        error(&good[..len]);
    }
    assert!(error(b"PK\x03\x04").contains("NUMPY"));
    for order in ["True", "False"] {
        let large = format!("{{'descr': '|b1', 'fortran_order': {order}, 'shape': (0, 3883139815713120686, 3), }}");
        assert!(error(&file(&large, &[])).contains("larger than memory can be"));
    }
    assert!(error(&file("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", &[0; 8])).contains("float32[3] does not fit 8 bytes"));
    assert!(error(&file("{'descr': '<U5', 'fortran_order': False, 'shape': (1,), }", &[0; 20])).contains("<U5"));
    assert!(error(&file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4])).contains("fields"));
    assert!(error(&file("{'descr': '<f4', 'shape': (1,), }", &[0; 4])).contains("fortran_order"));
    let huge = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({0}, {0}), }}", usize::MAX);
    assert!(error(&file(&huge, &[0; 8])).contains("does not fit"));
    let missing = Tensor::read_npy("no/such/file.npy").unwrap_err().to_string();
    assert!(missing.contains("no/such/file.npy"));
}
