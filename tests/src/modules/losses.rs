//! Losses.

use rushlight_nn::{self as nn, Loss};
use rushlight_tensor::{KlReduction, LossReduction};

use super::{Called, Modules};
use crate::args::Args;
use crate::golden::Value;
use crate::ops::loss::lengths;
use crate::outcome::CaseResult;

fn reduction(a: &mut Args) -> CaseResult<LossReduction> {
    let known = [("mean", Some(LossReduction::Mean)), ("sum", Some(LossReduction::Sum)), ("none", Some(LossReduction::None))];
    a.choice("reduction", "mean", &known)
}

/// A loss of input and target.
fn pair<L: Loss + nn::Module + 'static>(m: &mut Modules, name: &'static str, make: fn(&mut Args) -> CaseResult<L>) {
    m.other(name, move |a| {
        let call =
            |m: &L, a: &mut Args| -> CaseResult<Vec<Value>> { Ok(vec![m.forward(&a.tensor("input")?, &a.tensor("target")?)?.into()]) };
        Ok(Called { module: make(a)?, call })
    });
}

macro_rules! plain {
    ($m:ident: $($name:ident),*) => {$(
        pair($m, stringify!($name), |a| Ok(nn::$name::builder().reduction(reduction(a)?).build()?));
    )*};
}

/// Gives the builder a weight of the arguments, if there is one.
macro_rules! weighed {
    ($a:ident, $builder:expr, $($name:ident),*) => {{
        let mut builder = $builder;
        $(
            if let Some(w) = $a.opt_tensor(stringify!($name))? {
                builder = builder.$name(w);
            }
        )*
        builder
    }};
}

macro_rules! triples {
    ($m:ident: $($name:ident [$($arg:literal),*] |$a:ident| $make:expr;)*) => {$(
        $m.other(stringify!($name), |$a| {
            let call = |m: &nn::$name, a: &mut Args| -> CaseResult<Vec<Value>> { Ok(vec![m.forward($(&a.tensor($arg)?),*)?.into()]) };
            Ok(Called { module: $make, call })
        });
    )*};
}

pub(super) fn register(m: &mut Modules) {
    plain!(m: L1Loss, MSELoss, SoftMarginLoss, MultiLabelMarginLoss);
    pair(m, "SmoothL1Loss", |a| Ok(nn::SmoothL1Loss::builder().reduction(reduction(a)?).beta(a.float_or("beta", 1.0)?).build()?));
    pair(m, "HuberLoss", |a| Ok(nn::HuberLoss::builder().reduction(reduction(a)?).delta(a.float_or("delta", 1.0)?).build()?));
    pair(m, "BCELoss", |a| Ok(weighed!(a, nn::BCELoss::builder(), weight).reduction(reduction(a)?).build()?));
    pair(m, "BCEWithLogitsLoss", |a| {
        Ok(weighed!(a, nn::BCEWithLogitsLoss::builder(), weight, pos_weight).reduction(reduction(a)?).build()?)
    });
    pair(m, "CrossEntropyLoss", |a| {
        let builder = weighed!(a, nn::CrossEntropyLoss::builder(), weight).ignore_index(a.int_or("ignore_index", -100)? as i64);
        Ok(builder.reduction(reduction(a)?).label_smoothing(a.float_or("label_smoothing", 0.0)?).build()?)
    });
    pair(m, "NLLLoss", |a| {
        let builder = weighed!(a, nn::NLLLoss::builder(), weight).ignore_index(a.int_or("ignore_index", -100)? as i64);
        Ok(builder.reduction(reduction(a)?).build()?)
    });
    pair(m, "PoissonNLLLoss", |a| {
        let builder = nn::PoissonNLLLoss::builder().log_input(a.bool_or("log_input", true)?).full(a.bool_or("full", false)?);
        Ok(builder.eps(a.float_or("eps", 1e-8)?).reduction(reduction(a)?).build()?)
    });
    pair(m, "KLDivLoss", |a| {
        let known = [
            ("mean", Some(KlReduction::Mean)),
            ("sum", Some(KlReduction::Sum)),
            ("none", Some(KlReduction::None)),
            ("batchmean", Some(KlReduction::BatchMean)),
        ];
        let builder = nn::KLDivLoss::builder().reduction(a.choice("reduction", "mean", &known)?);
        Ok(builder.log_target(a.bool_or("log_target", false)?).build()?)
    });
    pair(m, "HingeEmbeddingLoss", |a| {
        Ok(nn::HingeEmbeddingLoss::builder().margin(a.float_or("margin", 1.0)?).reduction(reduction(a)?).build()?)
    });
    pair(m, "MultiMarginLoss", |a| {
        let builder = weighed!(a, nn::MultiMarginLoss::builder(), weight).p(a.int_or("p", 1)? as i64);
        Ok(builder.margin(a.float_or("margin", 1.0)?).reduction(reduction(a)?).build()?)
    });
    pair(m, "MultiLabelSoftMarginLoss", |a| {
        Ok(weighed!(a, nn::MultiLabelSoftMarginLoss::builder(), weight).reduction(reduction(a)?).build()?)
    });
    triples!(m:
        GaussianNLLLoss ["input", "target", "var"] |a| {
            let builder = nn::GaussianNLLLoss::builder().full(a.bool_or("full", false)?).eps(a.float_or("eps", 1e-6)?);
            builder.reduction(reduction(a)?).build()?
        };
        MarginRankingLoss ["input1", "input2", "target"] |a|
            nn::MarginRankingLoss::builder().margin(a.float_or("margin", 0.0)?).reduction(reduction(a)?).build()?;
        CosineEmbeddingLoss ["input1", "input2", "target"] |a|
            nn::CosineEmbeddingLoss::builder().margin(a.float_or("margin", 0.0)?).reduction(reduction(a)?).build()?;
        TripletMarginLoss ["anchor", "positive", "negative"] |a| {
            let builder = nn::TripletMarginLoss::builder().margin(a.float_or("margin", 1.0)?).p(a.float_or("p", 2.0)?);
            let builder = builder.eps(a.float_or("eps", 1e-6)?).swap(a.bool_or("swap", false)?);
            builder.reduction(reduction(a)?).build()?
        };
        TripletMarginWithDistanceLoss ["anchor", "positive", "negative"] |a| {
            a.none("distance_function")?;
            let loss = nn::TripletMarginWithDistanceLoss::new().margin(a.float_or("margin", 1.0)?).swap(a.bool_or("swap", false)?);
            loss.reduction(reduction(a)?)
        };
    );
    m.other("CTCLoss", |a| {
        let builder = nn::CTCLoss::builder().blank(a.opt_size("blank")?.unwrap_or(0));
        let call = |m: &nn::CTCLoss, a: &mut Args| -> CaseResult<Vec<Value>> {
            let (x, targets) = (a.tensor("log_probs")?, a.tensor("targets")?);
            Ok(vec![m.forward(&x, &targets, &lengths(a, "input_lengths")?, &lengths(a, "target_lengths")?)?.into()])
        };
        Ok(Called { module: builder.zero_infinity(a.bool_or("zero_infinity", false)?).reduction(reduction(a)?).build()?, call })
    });
}
