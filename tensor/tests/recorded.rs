//! Printing and indexing against what PyTorch 2.15 does.

use rushlight_tensor::{DType, Device, Ix, Result, Tensor};

fn numbers(text: &str) -> Vec<i64> {
    text.split(',').filter(|n| !n.is_empty() && *n != "-").map(|n| n.parse().unwrap()).collect()
}

fn sizes(text: &str) -> Vec<usize> {
    numbers(text).iter().map(|&n| n as usize).collect()
}

fn tensor(dtype: &str, shape: &str, values: &[&str]) -> Tensor {
    use DType::*;
    let dtypes = [F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool, C64, C128];
    let names = ["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool", "c64", "c128"];
    let dtype = dtypes[names.iter().position(|n| *n == dtype).unwrap()];
    let shape = sizes(shape);
    match values {
        ["lin", start, step] => {
            let (start, step): (f64, f64) = (start.parse().unwrap(), step.parse().unwrap());
            let values = (0..shape.iter().product()).map(|i: usize| start + i as f64 * step).collect();
            Tensor::from_vec(values, shape, Device::cpu()).unwrap().to_dtype(dtype).unwrap()
        }
        [hex] => {
            let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
            Tensor::from_bytes(&bytes, shape, dtype, Device::cpu()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// `data/display.txt` has for each case a line of dtype, shape and elements, and the printed lines behind bars (without the `torch.` of dtypes). Elements are bytes
/// in hexadecimal, or `lin START STEP`: element i is START + i * STEP in f64, converted.
#[test]
fn printing() {
    let mut lines = include_str!("data/display.txt").lines().peekable();
    let (mut cases, mut wrong) = (0, Vec::new());
    while let Some(head) = lines.next() {
        let mut wanted = Vec::new();
        while let Some(line) = lines.next_if(|l| l.starts_with('|')) {
            wanted.push(&line[1..]);
        }
        let words: Vec<&str> = head.split(' ').collect();
        let printed = tensor(words[0], words[1], &words[2..]).to_string();
        cases += 1;
        if printed != wanted.join("\n") {
            wrong.push(format!("{} {}: wanted\n{}\ngot\n{printed}", words[0], words[1], wanted.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

/// A loop over a tensor is one over its first dimension.
#[test]
fn rows() {
    let x = Tensor::new([[1i64, 2], [3, 4], [5, 6]]).unwrap();
    let rows: Vec<Vec<i64>> = x.iter().unwrap().map(|row| row.to_vec().unwrap()).collect();
    assert_eq!(rows, [[1, 2], [3, 4], [5, 6]]);
    assert!(Tensor::new(1.0f32).unwrap().iter().is_err());
}

/// An index as `data/index.txt` writes it.
fn index(word: &str) -> Ix {
    let tensor = |word: &str| {
        let (shape, values) = word.split_once('/').unwrap();
        Tensor::from_vec(numbers(values), sizes(shape), Device::cpu()).unwrap()
    };
    match word {
        "None" => Ix::NewAxis,
        "..." => Ix::Ellipsis,
        "True" | "False" => Ix::Bool(word == "True"),
        _ if word.starts_with('T') => Ix::Tensor(tensor(&word[1..])),
        _ if word.starts_with('M') => Ix::Tensor(tensor(&word[1..]).to_dtype(DType::Bool).unwrap()),
        _ => match word.split(':').collect::<Vec<_>>()[..] {
            [at] => Ix::At(at.parse().unwrap()),
            [start, end, step] => Ix::Range { start: start.parse().ok(), end: end.parse().ok(), step: step.parse().unwrap() },
            _ => panic!("{word}"),
        },
    }
}

/// `data/index.txt` has for each case the shape of a tensor that counts from 0, the indices, `get` or `set` with the shape of the values that count down from -1
/// (nothing: the number -7), and shape and elements of the result, or `!` where it is an error.
#[test]
fn indexing() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in include_str!("data/index.txt").lines() {
        let parts: Vec<&str> = line.split(';').collect();
        let x = Tensor::arange(0, sizes(parts[0]).iter().product::<usize>() as i64, 1, ()).unwrap().reshape(sizes(parts[0])).unwrap();
        let indices: Vec<Ix> = parts[1].split(' ').filter(|w| !w.is_empty()).map(index).collect();
        let result: Result<Tensor> = match parts[2] {
            "get" => x.i(indices),
            "set " => x.with_i(indices, -7),
            set => {
                let shape = sizes(set.strip_prefix("set ").unwrap());
                let values = (1..=shape.iter().product::<usize>() as i64).map(|i| -i).collect();
                x.with_i(indices, &Tensor::from_vec(values, shape, Device::cpu()).unwrap())
            }
        };
        cases += 1;
        let right = match &result {
            Ok(y) => parts[3] != "!" && y.shape() == sizes(parts[3]) && y.to_vec::<i64>().unwrap() == numbers(parts[4]),
            Err(_) => parts[3] == "!",
        };
        if !right {
            let got = result.map(|y| format!("{:?} {:?}", y.shape(), y.to_vec::<i64>())).unwrap_or_else(|e| e.to_string());
            wrong.push(format!("{line}\n  got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}
