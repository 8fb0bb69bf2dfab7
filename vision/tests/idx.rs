//! IDX files, good and bad, and the datasets over them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use rushlight_data::Dataset;
use rushlight_tensor::{DType, Result, Tensor};
use rushlight_vision::datasets::{Digits, FashionMNIST, MNIST};
use rushlight_vision::idx::{parse_idx, read_idx};
use rushlight_vision::transforms::{Compose, Normalize, ToTensor, Transform};

fn idx(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn raw_and_gzipped_files_and_every_type() -> Result<()> {
    let bytes = idx(0x08, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let x = parse_idx("x", &bytes)?;
        assert_eq!((x.shape(), x.to_vec::<u8>()?), (&[2, 3][..], vec![1, 2, 3, 4, 5, 6]));
    }
    assert_eq!(parse_idx("x", &idx(0x0d, &[1], &1.5f32.to_be_bytes()))?.to_vec::<f32>()?, [1.5]);
    assert_eq!(parse_idx("x", &idx(0x0e, &[1], &(-2.5f64).to_be_bytes()))?.to_vec::<f64>()?, [-2.5]);
    assert_eq!(parse_idx("x", &idx(0x0c, &[1], &70000i32.to_be_bytes()))?.to_vec::<i32>()?, [70000]);
    Ok(())
}

#[test]
fn bad_files_say_what_and_where() {
    let error = |bytes: &[u8]| parse_idx("train-images", bytes).unwrap_err().to_string();
    assert_eq!(error(&[0, 0]), "train-images: truncated: 2 bytes are no IDX header");
    let wrong = error(&[1, 2, 3, 4, 5]);
    assert_eq!(wrong, "train-images: wrong magic number 01020304: an IDX file starts with 0000, a type code and the rank");
    assert_eq!(error(&idx(0x08, &[2, 3], &[1, 2])), "train-images: truncated: shape [2, 3] of uint8 takes 6 bytes, the file has 2");
    assert!(error(&idx(0x08, &[1], &[1, 2])).contains("too long"));
    assert!(error(&[0, 0, 8, 3, 0, 0]).contains("announces 3 dimensions"));
    assert!(error(&idx(0x0e, &[u32::MAX, u32::MAX, u32::MAX], &[])).contains("more than memory"));
    let mut cut = gzip(&idx(0x08, &[100], &[7; 100]));
    cut.truncate(cut.len() - 6);
    assert!(error(&cut).contains("damaged gzip data"));
    let missing = read_idx("no/such/file").unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file: "), "{missing}");
}

#[test]
fn digits_are_whole() -> Result<()> {
    let digits = Digits::new()?.transform(ToTensor::with_max(16.0));
    assert_eq!(digits.len(), 1797);
    let (image, label) = digits.get(5)?;
    assert_eq!((image.shape(), image.dtype(), label), (&[1, 8, 8][..], DType::F32, 5));
    // The counts of the classes that the dataset's description gives.
    let count = |c| digits.labels().iter().filter(|l| **l == c).count();
    assert_eq!((0..10).map(count).collect::<Vec<_>>(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let (x, y) = digits.batch(&[3, 5])?;
    assert_eq!((x.shape(), y.to_vec::<i64>()?), (&[2, 1, 8, 8][..], vec![3, 5]));
    assert_eq!(x.select(0, 1)?.to_vec::<f32>()?, image.to_vec::<f32>()?);
    assert!(digits.get(1797).unwrap_err().to_string().contains("item 1797 of a dataset of 1797"));
    Ok(())
}

#[test]
fn mnist_finds_its_files_and_checks_them() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    let missing = MNIST::new(dir.path(), true).err().unwrap().to_string();
    assert!(missing.contains("found neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"), "{missing}");

    write("train-images-idx3-ubyte.gz", &gzip(&idx(8, &[3, 2, 2], &[0, 51, 102, 255, 5, 6, 7, 8, 9, 10, 11, 12])));
    write("train-labels-idx1-ubyte", &idx(8, &[3], &[7, 8, 9]));
    let data = FashionMNIST::new(dir.path(), true)?.transform(ToTensor::new());
    let (image, label) = data.get(0)?;
    assert_eq!(label, 7);
    assert_eq!(image.to_vec::<f32>()?, [0.0, 0.2, 0.4, 1.0]);

    write("train-labels-idx1-ubyte", &idx(8, &[2], &[7, 8]));
    let uneven = MNIST::new(dir.path(), true).err().unwrap().to_string();
    assert!(uneven.contains("do not belong together"), "{uneven}");
    write("train-labels-idx1-ubyte", &idx(8, &[3, 1], &[7, 8, 9]));
    assert!(MNIST::new(dir.path(), true).err().unwrap().to_string().contains("wanted labels"));
    Ok(())
}

#[test]
fn normalize_takes_channels_from_images_and_batches() -> Result<()> {
    let transform = Compose::new().then(ToTensor::new()).then(Normalize::new([0.5, 0.25], [0.5, 0.25])?);
    assert!(transform.is_batched());
    let image = Tensor::full([2, 1, 1], 255u8, DType::U8)?;
    assert_eq!(transform.apply(&image)?.to_vec::<f32>()?, [1.0, 3.0]);
    assert_eq!(transform.apply(&image.unsqueeze(0)?)?.to_vec::<f32>()?, [1.0, 3.0]);
    let three = Tensor::zeros([3, 1, 1], ())?;
    assert!(transform.apply(&three).unwrap_err().to_string().contains("2 means do not fit"));
    assert!(Normalize::new([0.0], [0.0]).is_err());
    Ok(())
}
