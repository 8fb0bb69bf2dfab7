//! MNIST and its look-alikes: four IDX files.

use std::path::{Path, PathBuf};

use rushlight_tensor::{DType, Error, Result};

use super::labelled::{LabelledImages, labelled_dataset};
use crate::idx::read_idx;

/// The handwritten digits of LeCun, Cortes and Burges: 60,000 images of 28x28 bytes for training and 10,000 for testing, in 10 classes.
#[derive(Clone)]
pub struct MNIST(LabelledImages);

/// Zalando's pictures of clothes: as [`MNIST`], in the same files.
#[derive(Clone)]
pub struct FashionMNIST(LabelledImages);

macro_rules! mnist {
    ($name:ident) => {
        impl $name {
            /// The training or the test part, from the IDX files (`train-images-idx3-ubyte`, ... with or without `.gz`) in `root`, or where
            /// torchvision puts them below it.
            ///
            /// # Errors
            /// If a file is missing or is not what its name says; the message names it.
            pub fn new(root: impl AsRef<Path>, train: bool) -> Result<$name> {
                load(stringify!($name), root.as_ref(), train).map($name)
            }

            /// The names of the classes.
            pub fn classes() -> [&'static str; 10] {
                Self::CLASSES
            }
        }

        labelled_dataset!($name);
    };
}
mnist!(MNIST);
mnist!(FashionMNIST);

impl MNIST {
    const CLASSES: [&'static str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
}

impl FashionMNIST {
    const CLASSES: [&'static str; 10] =
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
}

fn load(dataset: &str, root: &Path, train: bool) -> Result<LabelledImages> {
    let part = if train { "train" } else { "t10k" };
    let images_path = find(dataset, root, &format!("{part}-images-idx3-ubyte"))?;
    let labels_path = find(dataset, root, &format!("{part}-labels-idx1-ubyte"))?;
    let images = read_idx(&images_path)?;
    let name = images_path.display().to_string();
    if images.dtype() != DType::U8 || images.dim() != 3 {
        return Err(Error::format(
            name,
            format!("holds {} of shape {:?}, wanted images: uint8 of three dimensions", images.dtype(), images.shape()),
        ));
    }
    let labels = read_idx(&labels_path)?;
    if labels.dtype() != DType::U8 || labels.dim() != 1 {
        let name = labels_path.display().to_string();
        return Err(Error::format(
            name,
            format!("holds {} of shape {:?}, wanted labels: uint8 of one dimension", labels.dtype(), labels.shape()),
        ));
    }
    LabelledImages::new(&name, images, &labels)
}

/// The file in `root`, `root/raw` or `root/DATASET/raw`, with or without `.gz`.
fn find(dataset: &str, root: &Path, file: &str) -> Result<PathBuf> {
    let folders = [root.to_path_buf(), root.join("raw"), root.join(dataset).join("raw")];
    let names = [file.to_string(), format!("{file}.gz")];
    let found = folders.iter().flat_map(|d| names.iter().map(move |n| d.join(n))).find(|p| p.is_file());
    found.ok_or_else(|| {
        let tried: Vec<String> = folders.iter().map(|d| d.display().to_string()).collect();
        Error::io(dataset.to_string(), format!("found neither {file} nor {file}.gz in {}", tried.join(", ")))
    })
}
