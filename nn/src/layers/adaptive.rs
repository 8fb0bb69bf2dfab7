//! A softmax over very many classes.

use rushlight_tensor::{DType, Device, Error, Result, Tensor};

use super::container::{ModuleList, Sequential};
use super::linear::Linear;
use crate::builder::builder;
use crate::{Forward, Module};

/// The softmax of Grave et al., 2017, over classes in order of frequency: the head holds the most frequent ones and a score for each cluster of rarer ones, which are
/// computed with fewer features the rarer they are.
///
/// - `head.weight`: `[cutoffs[0] + clusters, in_features]`;
/// - `tail.i.0.weight`: `[in_features / div_value^(i + 1), in_features]`; `tail.i.1.weight`: `[classes of the cluster, in_features / div_value^(i + 1)]`.
#[derive(Module)]
pub struct AdaptiveLogSoftmaxWithLoss {
    /// The scores of the most frequent classes, and of the clusters.
    pub head: Linear,
    /// The scores in each cluster.
    pub tail: ModuleList<Sequential>,
    /// The first class of each cluster, and the number of classes.
    cutoffs: Vec<usize>,
    in_features: usize,
}

builder! {
    /// The arguments of [`AdaptiveLogSoftmaxWithLoss`]: features, classes, and where clusters begin, in ascending order.
    AdaptiveLogSoftmaxWithLossBuilder for AdaptiveLogSoftmaxWithLoss(in_features: usize, n_classes: usize, cutoffs: Vec<usize>) {
        /// By how much each cluster has fewer features than the one before. Default: 4.
        div_value: f64 = 4.0;
        /// Whether the head has a bias. Default: false.
        head_bias: bool = false;
        /// The dtype of the parameters. Default: the default float type.
        dtype(DType; into): Option<DType> = None;
        /// The device of the parameters. Default: the CPU.
        device: Device = Device::cpu();
    }
}

impl AdaptiveLogSoftmaxWithLossBuilder {
    /// Draws the parameters, in the order of the state dict.
    ///
    /// # Errors
    /// If the cutoffs are not ascending numbers between 1 and the number of classes, or the dtype is not floating point.
    pub fn build(self) -> Result<AdaptiveLogSoftmaxWithLoss> {
        let mut cutoffs = self.cutoffs.clone();
        let fits = cutoffs.first().is_some_and(|&c| c > 0) && cutoffs.last().is_some_and(|&c| c < self.n_classes);
        if !fits || cutoffs.windows(2).any(|w| w[0] >= w[1]) {
            return Err(Error::value(
                "AdaptiveLogSoftmaxWithLoss",
                format!("cutoffs must be ascending and lie between 1 and {} classes, got {cutoffs:?}", self.n_classes),
            ));
        }
        if !(self.div_value > 0.0 && self.div_value.is_finite()) {
            return Err(Error::value("AdaptiveLogSoftmaxWithLoss", format!("div_value must be positive, got {}", self.div_value)));
        }
        cutoffs.push(self.n_classes);
        let linear = |inputs: usize, outputs: usize, bias: bool| {
            let builder = Linear::builder(inputs, outputs).bias(bias).device(self.device);
            match self.dtype {
                Some(dtype) => builder.dtype(dtype).build(),
                None => builder.build(),
            }
        };
        let clusters = cutoffs.len() - 1;
        let head = linear(self.in_features, cutoffs[0] + clusters, self.head_bias)?;
        let mut tail = Vec::with_capacity(clusters);
        for i in 0..clusters {
            let hidden = (self.in_features as f64 / self.div_value.powi(i as i32 + 1)).floor() as usize;
            let (project, score) = (linear(self.in_features, hidden, false)?, linear(hidden, cutoffs[i + 1] - cutoffs[i], false)?);
            tail.push(Sequential::new().add(project).add(score));
        }
        Ok(AdaptiveLogSoftmaxWithLoss { head, tail: ModuleList(tail), cutoffs, in_features: self.in_features })
    }
}

impl AdaptiveLogSoftmaxWithLoss {
    /// The logarithms of all classes' probabilities for x`[n, in_features]`: `[n, n_classes]`.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn log_prob(&self, x: &Tensor) -> Result<Tensor> {
        let head = self.head.forward(x)?.log_softmax(-1)?;
        let frequent = self.cutoffs[0];
        let mut parts = vec![head.narrow(-1, 0, frequent)?];
        for (i, tail) in self.tail.iter().enumerate() {
            let inside = tail.forward(x)?.log_softmax(-1)?;
            parts.push(inside.add(&head.narrow(-1, (frequent + i) as isize, 1)?)?);
        }
        Tensor::cat(&parts, -1)
    }

    /// The most probable class for each row of x`[n, in_features]` (int64).
    ///
    /// # Errors
    /// If shapes or dtypes do not fit.
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        self.log_prob(x)?.argmax_dim(-1, false)
    }

    /// The logarithm of the probability of each target, for x`[n, in_features]` and targets `[n]` (int64), or both without n; and the loss, their mean with the
    /// sign changed.
    ///
    /// # Errors
    /// If shapes or dtypes do not fit, or a target is no class.
    pub fn forward(&self, x: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
        crate::summary::seen(self, || {
            const NAME: &str = "AdaptiveLogSoftmaxWithLoss";
            let features = self.in_features;
            if !matches!(x.dim(), 1 | 2) || target.dim() + 1 != x.dim() || x.shape()[x.dim() - 1] != features {
                return Err(Error::shape(
                    NAME,
                    format!(
                        "wants [n, {features}] and targets [n], or [{features}] and one target, got {:?} and {:?}",
                        x.shape(),
                        target.shape()
                    ),
                ));
            }
            let (x, target, alone) =
                if x.dim() == 1 { (x.unsqueeze(0)?, target.unsqueeze(0)?, true) } else { (x.clone(), target.clone(), false) };
            if x.shape()[0] != target.shape()[0] {
                return Err(Error::shape(NAME, format!("{} rows and {} targets", x.shape()[0], target.shape()[0])));
            }
            let classes = self.cutoffs[self.cutoffs.len() - 1];
            let targets = target.to_vec::<i64>()?;
            if let Some(t) = targets.iter().find(|&&t| usize::try_from(t).map_or(true, |t| t >= classes)) {
                return Err(Error::index(NAME, format!("target {t} is none of {classes} classes")));
            }
            let head = self.head.forward(&x)?.log_softmax(-1)?;
            // In the head a class of a cluster counts as that cluster.
            let cluster = |t: i64| self.cutoffs.iter().take_while(|&&c| c <= t as usize).count();
            let in_head = |t: i64| if cluster(t) == 0 { t } else { (self.cutoffs[0] + cluster(t) - 1) as i64 };
            let index = Tensor::from_vec(targets.iter().map(|&t| in_head(t)).collect(), [targets.len(), 1], x.device())?;
            let mut output = head.gather(1, &index)?.squeeze_dim(1)?;
            for (i, tail) in self.tail.iter().enumerate() {
                let rows: Vec<i64> = (0..targets.len()).filter(|&r| cluster(targets[r]) == i + 1).map(|r| r as i64).collect();
                if rows.is_empty() {
                    continue;
                }
                let inside: Vec<i64> = rows.iter().map(|&r| targets[r as usize] - self.cutoffs[i] as i64).collect();
                let count = rows.len();
                let (rows, inside) = (Tensor::from_vec(rows, count, x.device())?, Tensor::from_vec(inside, [count, 1], x.device())?);
                let scores = tail.forward(&x.index_select(0, &rows)?)?.log_softmax(-1)?;
                output = output.index_add(0, &rows, &scores.gather(1, &inside)?.squeeze_dim(1)?)?;
            }
            let loss = output.neg()?.mean()?;
            Ok((if alone { output.squeeze_dim(0)? } else { output }, loss))
        })
    }
}
