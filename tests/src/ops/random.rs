//! Draws: the functions of the family `rng`, under its names. They draw from the default generator, or from a new one where `generator_seed`
//! is given.

use rushlight_data::{
    DataLoader, RandomSampler, Sampler, Subset, SubsetRandomSampler, WeightedRandomSampler, random_split, random_split_fractions,
};
use rushlight_tensor::{DType, Device, Generator, Result, Sample, Scalar, Tensor, default_dtype, default_generator, manual_seed};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

/// Every draw that we have.
pub fn draws() -> Registry {
    let mut r = Registry::default();
    functions(&mut r);
    dropouts(&mut r, ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]);
    rrelu(&mut r, "rrelu", true);
    gumbel_softmax(&mut r, "gumbel_softmax");
    in_place(&mut r);
    data(&mut r);
    super::init::register(&mut r);
    r
}

/// Functions of torch.nn.functional that draw in training.
pub(super) fn functional(r: &mut Registry) {
    dropouts(
        r,
        [
            "nn.functional.dropout",
            "nn.functional.dropout1d",
            "nn.functional.dropout2d",
            "nn.functional.dropout3d",
            "nn.functional.alpha_dropout",
            "nn.functional.feature_alpha_dropout",
        ],
    );
    rrelu(r, "nn.functional.rrelu", false);
    gumbel_softmax(r, "nn.functional.gumbel_softmax");
}

/// `inplace`: of memory alone, values do not change under their handles.
fn inplace(a: &mut Args) -> CaseResult<()> {
    a.bool_or("inplace", false).map(|_| ())
}

type Dropout = fn(&Tensor, f64, bool) -> Result<Tensor>;

fn dropouts(r: &mut Registry, names: [&'static str; 6]) {
    let calls: [Dropout; 6] =
        [Tensor::dropout, Tensor::dropout1d, Tensor::dropout2d, Tensor::dropout3d, Tensor::alpha_dropout, Tensor::feature_alpha_dropout];
    for (name, f) in names.into_iter().zip(calls) {
        // PyTorch's alpha dropouts are not in training by default, but the draws are.
        let training = !name.starts_with("nn.functional.alpha") && !name.starts_with("nn.functional.feature");
        r.op(name, move |a| {
            let (x, p) = (a.tensor("input")?, a.float_or("p", 0.5)?);
            let training = a.bool_or("training", training)?;
            inplace(a)?;
            Ok(f(&x, p, training)?)
        });
    }
}

fn rrelu(r: &mut Registry, name: &'static str, training: bool) {
    r.op(name, move |a| {
        let x = a.tensor("input")?;
        let (lower, upper) = (a.float_or("lower", 1.0 / 8.0)?, a.float_or("upper", 1.0 / 3.0)?);
        let training = a.bool_or("training", training)?;
        inplace(a)?;
        Ok(x.rrelu(lower, upper, training)?)
    });
}

fn gumbel_softmax(r: &mut Registry, name: &'static str) {
    r.op(name, |a| {
        let x = a.tensor("logits")?;
        let (tau, hard) = (a.float_or("tau", 1.0)?, a.bool_or("hard", false)?);
        Ok(x.gumbel_softmax(tau, hard, a.int_or("dim", -1)?)?)
    });
}

/// The dtype in kwargs.
pub(super) fn dtype(a: &mut Args, default: DType) -> CaseResult<(DType, Device)> {
    let given = a.take_named("dtype").map_or(Ok(None), |v| Args::new(vec![v], vec![]).opt_dtype("dtype"))?;
    Ok((given.unwrap_or(default), Device::cpu()))
}

fn functions(r: &mut Registry) {
    r.op("manual_seed", |a| {
        manual_seed(a.int("seed")? as u64);
        Ok(Vec::<Value>::new())
    });
    r.op("rand", |a| {
        let options = dtype(a, default_dtype())?;
        Ok(Tensor::rand(a.ints("size")?, options)?)
    });
    r.op("randn", |a| {
        let options = dtype(a, default_dtype())?;
        Ok(Tensor::randn(a.ints("size")?, options)?)
    });
    r.op("randint", |a| {
        let options = dtype(a, DType::I64)?;
        let (low, high) = (a.int("low")? as i64, a.int("high")? as i64);
        Ok(Tensor::randint(low, high, a.ints("size")?, options)?)
    });
    r.op("randperm", |a| {
        let options = dtype(a, DType::I64)?;
        Ok(Tensor::randperm(a.size("n")?, options)?)
    });
    r.op("bernoulli", |a| Ok(a.tensor("input")?.bernoulli()?));
    r.op("multinomial", |a| {
        let (weights, samples) = (a.tensor("input")?, a.size("num_samples")?);
        Ok(weights.multinomial(samples, a.bool_or("replacement", false)?)?)
    });
}

/// `name_(shape, parameters)`: an empty tensor filled.
fn filled(r: &mut Registry, name: &'static str, sample: fn(&mut Args) -> CaseResult<Sample>) {
    r.op(name, move |a| {
        let options = dtype(a, default_dtype())?;
        let (shape, transposed) = (a.ints("shape")?, a.take_named("transposed"));
        let mut x = match transposed {
            Some(Value::Bool(true)) => {
                let back: Vec<isize> = (0..shape.len() as isize).rev().collect();
                Tensor::zeros(shape.iter().rev().copied().collect::<Vec<_>>(), options)?.permute(back)?
            }
            _ => Tensor::zeros(shape, options)?,
        };
        x.fill_random(sample(a)?, default_generator())?;
        Ok(x)
    });
}

fn in_place(r: &mut Registry) {
    filled(r, "uniform_", |a| Ok(Sample::Uniform { low: a.float_or("from", 0.0)?, high: a.float_or("to", 1.0)? }));
    filled(r, "normal_", |a| Ok(Sample::Normal { mean: a.float_or("mean", 0.0)?, std: a.float_or("std", 1.0)?, one_by_one: false }));
    filled(r, "bernoulli_", |a| Ok(Sample::Bernoulli { p: a.float_or("p", 0.5)? }));
    filled(r, "exponential_", |a| Ok(Sample::Exponential { rate: a.float_or("lambd", 1.0)? }));
    filled(r, "geometric_", |a| Ok(Sample::Geometric { p: a.float_or("p", 0.5)? }));
    filled(r, "cauchy_", |a| Ok(Sample::Cauchy { median: a.float_or("median", 0.0)?, sigma: a.float_or("sigma", 1.0)? }));
    filled(r, "log_normal_", |a| Ok(Sample::LogNormal { mean: a.float_or("mean", 1.0)?, std: a.float_or("std", 2.0)? }));
    filled(r, "random_", |a| {
        Ok(match (a.opt_int("from")?, a.opt_int("to")?) {
            (None, _) => Sample::FullRange,
            (Some(to), None) => Sample::Integers { low: 0, high: to as i64 },
            (Some(from), Some(to)) => Sample::Integers { low: from as i64, high: to as i64 },
        })
    });
}

/// The call's own generator, or none.
fn generator(a: &mut Args) -> CaseResult<Option<Generator>> {
    match a.take_named("generator_seed") {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(seed)) => Ok(Some(Generator::new(seed as u64))),
        Some(other) => Err(CaseError::Missing(format!("`generator_seed` as {}", other.kind()))),
    }
}

fn named<T>(a: &mut Args, name: &str, get: impl FnOnce(&mut Args) -> CaseResult<T>, default: T) -> CaseResult<T> {
    match a.take_named(name) {
        None | Some(Value::None) => Ok(default),
        Some(v) => get(&mut Args::new(vec![v], vec![])),
    }
}

fn vector(indices: impl IntoIterator<Item = usize>) -> CaseResult<Tensor> {
    Ok(Tensor::new(indices.into_iter().map(|i| i as i64).collect::<Vec<_>>())?)
}

fn floats(v: Value) -> CaseResult<Vec<f64>> {
    let Value::List(items) = v else {
        return Err(CaseError::Missing(format!("numbers as {}", v.kind())));
    };
    items.into_iter().map(|v| Args::new(vec![v], vec![]).scalar("weight").map(Scalar::to_f64)).collect()
}

fn data(r: &mut Registry) {
    r.op("dataloader", |a| -> CaseResult<Vec<Tensor>> {
        let (n, batch) = (named(a, "n", |a| a.size("n"), 0)?, named(a, "batch_size", |a| a.size("batch_size"), 1)?);
        let shuffle = named(a, "shuffle", |a| a.bool_or("shuffle", true), true)?;
        let drop_last = named(a, "drop_last", |a| a.bool_or("drop_last", false), false)?;
        let mut loader = DataLoader::new(0..n).batch_size(batch).shuffle(shuffle).drop_last(drop_last);
        if let Some(g) = generator(a)? {
            loader = loader.generator(g);
        }
        (0..named(a, "epochs", |a| a.size("epochs"), 1)?)
            .map(|_| {
                let batches = loader.iter()?.collect::<Result<Vec<_>, _>>()?;
                Ok(Tensor::cat(&batches, 0)?)
            })
            .collect()
    });
    r.op("sampler", |a| {
        let n = named(a, "n", |a| a.size("n"), 0)?;
        let samples = named(a, "num_samples", |a| a.size("num_samples"), n)?;
        let replacement = named(a, "replacement", |a| a.bool_or("replacement", false), false)?;
        let weights = a.take_named("weights").map_or(Ok(vec![]), floats)?;
        let (kind, generator) = (a.take_named("kind"), generator(a)?);
        let sampler: Box<dyn Sampler> = match kind {
            Some(Value::Str(s)) if s == "RandomSampler" => {
                Box::new(RandomSampler::new(n).num_samples(samples).replacement(replacement).generator(generator))
            }
            Some(Value::Str(s)) if s == "SubsetRandomSampler" => Box::new(SubsetRandomSampler::new((100..100 + n).collect(), generator)),
            Some(Value::Str(s)) if s == "WeightedRandomSampler" => {
                Box::new(WeightedRandomSampler::new(weights, samples, replacement, generator))
            }
            _ => return Err(CaseError::Missing("a sampler of another kind".to_string())),
        };
        vector(sampler.pass()?.collect::<Result<Vec<_>, _>>()?)
    });
    r.op("random_split", |a| -> CaseResult<Vec<Tensor>> {
        let generator = generator(a)?;
        let (n, parts) = (a.size("n")?, a.take("lengths").unwrap_or(Value::None));
        let whole = matches!(&parts, Value::List(items) if items.iter().all(|v| matches!(v, Value::Int(_))));
        let parts = floats(parts)?;
        let subsets: Vec<Subset<_>> = if whole {
            random_split(0..n, &parts.iter().map(|&f| f as usize).collect::<Vec<_>>(), generator.as_ref())?
        } else {
            random_split_fractions(0..n, &parts, generator.as_ref())?
        };
        subsets.iter().map(|s| vector(s.indices().iter().copied())).collect()
    });
}
