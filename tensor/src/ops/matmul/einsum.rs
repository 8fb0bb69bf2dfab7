//! Einstein summation.

use rushlight_backend::{Error, Result};

use crate::Tensor;

/// A dimension's name: a letter, or one of the dimensions that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(usize),
    Letter(char),
}

/// A tensor whose dimensions have names, each once.
#[derive(Clone)]
struct Operand {
    tensor: Tensor,
    labels: Vec<Label>,
}

fn bad(text: String) -> Error {
    Error::value("einsum", text)
}

/// The labels of one operand or of the output; `dots` is how many dimensions `...` stands for.
fn parse(term: &str, dots: impl FnOnce(usize) -> Result<usize>) -> Result<Vec<Label>> {
    let term: String = term.chars().filter(|c| !c.is_whitespace()).collect();
    let letters = |part: &str| {
        part.chars()
            .map(|c| match c.is_ascii_alphabetic() {
                true => Ok(Label::Letter(c)),
                false => Err(bad(format!("`{c}` in `{term}` is no letter"))),
            })
            .collect::<Result<Vec<_>>>()
    };
    let Some((before, after)) = term.split_once("...") else {
        dots(term.chars().count())?;
        return letters(&term);
    };
    let (before, after) = (letters(before)?, letters(after)?);
    let n = dots(before.len() + after.len())?;
    Ok(before.into_iter().chain((0..n).rev().map(Label::Dots)).chain(after).collect())
}

impl Operand {
    /// Gives names to a tensor's dimensions; one that occurs twice stands for the diagonal.
    fn new(tensor: &Tensor, mut labels: Vec<Label>) -> Result<Operand> {
        let mut tensor = tensor.clone();
        let mut i = 0;
        while i < labels.len() {
            let Some(j) = (i + 1..labels.len()).find(|&j| labels[j] == labels[i]) else {
                i += 1;
                continue;
            };
            let (n, m) = (tensor.shape()[i], tensor.shape()[j]);
            if n != m {
                return Err(bad(format!("{:?} names dimensions of sizes {n} and {m} of one operand", labels[i])));
            }
            // The diagonal comes last.
            let rest: Vec<usize> = (0..labels.len()).filter(|&d| d != i && d != j).collect();
            let order: Vec<usize> = rest.iter().copied().chain([i, j]).collect();
            tensor = tensor.permute(order)?.diagonal(0, -2, -1)?;
            labels = rest.iter().map(|&d| labels[d]).chain([labels[i]]).collect();
            i = 0;
        }
        Ok(Operand { tensor, labels })
    }

    fn size(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|&l| l == label).map(|d| self.tensor.shape()[d])
    }

    /// Sums over the labels that nobody wants.
    fn keep(mut self, wanted: impl Fn(Label) -> bool) -> Result<Operand> {
        let gone: Vec<usize> = (0..self.labels.len()).filter(|&d| !wanted(self.labels[d])).collect();
        if !gone.is_empty() {
            self.tensor = self.tensor.sum_as(&gone, false, self.tensor.dtype())?;
            self.labels.retain(|&l| wanted(l));
        }
        Ok(self)
    }

    /// The dimensions in this order; labels that are not there get size 1.
    fn ordered(&self, labels: &[Label]) -> Result<Tensor> {
        let order: Vec<usize> = labels.iter().filter_map(|l| self.labels.iter().position(|m| m == l)).collect();
        let sizes: Vec<usize> = labels.iter().map(|&l| self.size(l).unwrap_or(1)).collect();
        self.tensor.permute(order)?.reshape(sizes)
    }
}

/// The product of two operands, summed over what is not wanted any more.
fn contract(a: Operand, b: Operand, wanted: &dyn Fn(Label) -> bool) -> Result<Operand> {
    // A dimension of size 1 beside a larger one only repeats: it is dropped.
    let without = |x: &Operand, y: &Operand| -> Result<Operand> {
        let repeated = |l: Label| x.size(l) == Some(1) && y.size(l).is_some_and(|n| n != 1);
        let labels: Vec<Label> = x.labels.iter().copied().filter(|&l| !repeated(l)).collect();
        let sizes: Vec<usize> = labels.iter().filter_map(|&l| x.size(l)).collect();
        Ok(Operand { tensor: x.tensor.reshape(sizes)?, labels })
    };
    let (a, b) = (without(&a, &b)?, without(&b, &a)?);
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = a.keep(|l| wanted(l) || in_b.contains(&l))?;
    let b = b.keep(|l| wanted(l) || in_a.contains(&l))?;

    let both = |l: &Label| b.labels.contains(l);
    let (batch, summed): (Vec<Label>, Vec<Label>) = a.labels.iter().copied().filter(both).partition(|&l| wanted(l));
    let left: Vec<Label> = a.labels.iter().copied().filter(|l| !both(l)).collect();
    let right: Vec<Label> = b.labels.iter().copied().filter(|l| !a.labels.contains(l)).collect();
    let labels: Vec<Label> = batch.iter().chain(&left).chain(&right).copied().collect();
    if summed.is_empty() {
        let tensor = a.ordered(&labels)?.mul(&b.ordered(&labels)?)?;
        return Ok(Operand { tensor, labels });
    }
    let size = |of: &[Label]| -> usize { of.iter().filter_map(|&l| a.size(l).or(b.size(l))).product() };
    let joined = |parts: [&[Label]; 3]| parts.concat();
    let x = a.ordered(&joined([&batch, &left, &summed]))?.reshape([size(&batch), size(&left), size(&summed)])?;
    let y = b.ordered(&joined([&batch, &summed, &right]))?.reshape([size(&batch), size(&summed), size(&right)])?;
    let sizes: Vec<usize> = labels.iter().filter_map(|&l| a.size(l).or(b.size(l))).collect();
    Ok(Operand { tensor: x.bmm(&y)?.reshape(sizes)?, labels })
}

impl Tensor {
    /// Einstein summation: the equation names every dimension of every operand with a letter, and, after `->`, those of the result in their order.
    /// What is named twice is multiplied together, what is not in the result is summed over. A letter twice in one operand is a diagonal, `...`
    /// stands for the remaining dimensions, which broadcast. Without `->` the result has the dimensions of `...` and those that are named
    /// once, in alphabetical order.
    ///
    /// Of more than two operands those are multiplied first whose product is smallest beside them.
    ///
    /// # Errors
    /// If the equation is malformed or does not fit the operands.
    ///
    /// ```
    /// # use rushlight_tensor::Tensor;
    /// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(Tensor::einsum("ij,jk->ik", &[&x, &x])?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// assert_eq!(Tensor::einsum("ii", &[&x])?.item::<f32>()?, 5.0);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn einsum<T: std::borrow::Borrow<Tensor>>(equation: &str, operands: &[T]) -> Result<Tensor> {
        if operands.is_empty() {
            return Err(bad("needs at least one operand".to_string()));
        }
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation, None),
        };
        let terms: Vec<&str> = inputs.split(',').collect();
        if terms.len() != operands.len() {
            return Err(bad(format!("`{equation}` names {} operands, got {}", terms.len(), operands.len())));
        }
        let mut most_dots = 0;
        let mut all = Vec::with_capacity(operands.len());
        let mut used: Vec<Label> = Vec::new();
        for (term, tensor) in terms.iter().zip(operands) {
            let tensor = tensor.borrow();
            let labels = parse(term, |named| {
                let fits = if term.contains("...") { named <= tensor.dim() } else { named == tensor.dim() };
                match fits {
                    true => Ok(tensor.dim() - named),
                    false => Err(bad(format!("`{term}` does not name the dimensions of shape {:?}", tensor.shape()))),
                }
            })?;
            most_dots = labels.iter().filter(|l| matches!(l, Label::Dots(_))).count().max(most_dots);
            used.extend(&labels);
            all.push(Operand::new(tensor, labels)?);
        }
        let out = match output {
            Some(term) => parse(term, |_| Ok(most_dots))?,
            None => {
                let mut letters: Vec<Label> = used.iter().copied().filter(|l| matches!(l, Label::Letter(_))).collect();
                letters.sort_unstable();
                let once = |l: &Label| used.iter().filter(|&m| m == l).count() == 1;
                letters.retain(once);
                (0..most_dots).rev().map(Label::Dots).chain(letters).collect()
            }
        };
        for (i, l) in out.iter().enumerate() {
            if out[..i].contains(l) {
                return Err(bad(format!("{l:?} occurs twice in the output of `{equation}`")));
            }
            if !used.contains(l) {
                return Err(bad(format!("{l:?} in the output of `{equation}` names no dimension of an operand")));
            }
        }
        for &l in &used {
            let mut sizes = all.iter().filter_map(|x| x.size(l)).filter(|&n| n != 1);
            if let Some(n) = sizes.next()
                && let Some(m) = sizes.find(|&m| m != n)
            {
                return Err(bad(format!("{l:?} in `{equation}` names dimensions of sizes {n} and {m}")));
            }
        }
        while all.len() > 1 {
            let (i, j) = next_pair(&all, &out);
            let b = all.remove(j);
            let a = all.remove(i);
            let wanted = |l: Label| out.contains(&l) || all.iter().any(|x| x.labels.contains(&l));
            let product = contract(a, b, &wanted)?;
            all.push(product);
        }
        all.swap_remove(0).keep(|l| out.contains(&l))?.ordered(&out)
    }
}

/// The two operands to multiply next: those whose product is smallest beside themselves.
fn next_pair(all: &[Operand], out: &[Label]) -> (usize, usize) {
    let mut best = (f64::INFINITY, (0, 1));
    for j in 1..all.len() {
        for i in 0..j {
            let (a, b) = (&all[i], &all[j]);
            let elsewhere = |l: Label| all.iter().enumerate().any(|(k, x)| k != i && k != j && x.labels.contains(&l));
            let mut size = 1.0;
            let only_b = b.labels.iter().filter(|l| !a.labels.contains(l));
            for &l in a.labels.iter().chain(only_b).filter(|&&l| out.contains(&l) || elsewhere(l)) {
                size *= a.size(l).max(b.size(l)).unwrap_or(1) as f64;
            }
            let cost = size - a.tensor.numel() as f64 - b.tensor.numel() as f64;
            if cost < best.0 {
                best = (cost, (i, j));
            }
        }
    }
    best.1
}
