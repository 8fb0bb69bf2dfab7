//! Optimizers and schedules: state that is saved and loaded goes on as if nothing had happened; what cannot be is refused.

use rushlight_autograd::Autograd;
use rushlight_nn::checkpoint::{self, Value};
use rushlight_nn::{Linear, Module, Parameter};
use rushlight_optim::sched::{CosineAnnealingLR, LinearLR, ReduceLROnPlateau, Schedule, Scheduler, SequentialLR};
use rushlight_optim::{
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, LBFGS, LineSearch, NAdam, Optimizer, RAdam, RMSprop, Rprop, SGD, SgdOptions,
    clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm, parameters_to_vector, vector_to_parameters,
};
use rushlight_tensor::{Result, Tensor};

mod training;

fn start() -> Result<Vec<Parameter>> {
    Ok(vec![Parameter::new(Tensor::new([1.0f64, -2.0, 3.0])?)?, Parameter::new(Tensor::new([[0.5f64, 0.25]])?)?])
}

fn loss(params: &[Parameter]) -> Result<Tensor> {
    params.iter().for_each(Parameter::zero_grad);
    let parts = params.iter().map(|p| p.tensor().sub(0.75)?.square()?.sum()).collect::<Result<Vec<_>>>()?;
    let loss = Tensor::stack(&parts, 0)?.sum()?;
    loss.backward()?;
    Ok(loss)
}

fn steps(optimizer: &mut dyn Optimizer, params: &[Parameter], n: usize) -> Result<()> {
    for _ in 0..n {
        optimizer.step_with(&mut || loss(params))?;
    }
    Ok(())
}

fn values(params: &[Parameter]) -> Result<Vec<f64>> {
    Ok(params.iter().map(|p| p.tensor().detach().to_vec::<f64>()).collect::<Result<Vec<_>>>()?.concat())
}

type Make = fn(Vec<Parameter>) -> Result<Box<dyn Optimizer>>;

const ALL: [(&str, Make); 14] = [
    ("SGD", |p| Ok(Box::new(SGD::new(p, 0.05).momentum(0.9).nesterov(true).build()?))),
    ("Adam", |p| Ok(Box::new(Adam::new(p, 0.1).amsgrad(true).build()?))),
    ("AdamW", |p| Ok(Box::new(AdamW::new(p, 0.1).build()?))),
    ("NAdam", |p| Ok(Box::new(NAdam::new(p, 0.1).build()?))),
    ("RAdam", |p| Ok(Box::new(RAdam::new(p, 0.1).build()?))),
    ("Adamax", |p| Ok(Box::new(Adamax::new(p, 0.1).build()?))),
    ("Adagrad", |p| Ok(Box::new(Adagrad::new(p, 0.5).build()?))),
    ("Adadelta", |p| Ok(Box::new(Adadelta::new(p, 5.0).eps(1e-3).build()?))),
    ("RMSprop", |p| Ok(Box::new(RMSprop::new(p, 0.05).centered(true).momentum(0.5).build()?))),
    ("Rprop", |p| Ok(Box::new(Rprop::new(p, 0.05).build()?))),
    ("ASGD", |p| Ok(Box::new(ASGD::new(p, 0.1).t0(3.0).build()?))),
    ("Adafactor", |p| Ok(Box::new(Adafactor::new(p, 0.1).build()?))),
    ("LBFGS", |p| Ok(Box::new(LBFGS::new(p, 0.5).max_iter(2).build()?))),
    ("LBFGS with a search", |p| Ok(Box::new(LBFGS::new(p, 1.0).max_iter(2).line_search(LineSearch::StrongWolfe).build()?))),
];

#[test]
fn every_optimizer_goes_down_and_resumes_to_the_bit() -> Result<()> {
    for (name, make) in ALL {
        let params = start()?;
        let before = loss(&params)?.to_f64()?;
        let mut optimizer = make(params.clone())?;
        steps(optimizer.as_mut(), &params, 4)?;
        // Through a file, into an optimizer of copies.
        let saved = checkpoint::load_bytes(&checkpoint::to_bytes(&optimizer.state_dict()?)?)?;
        let copies = params.iter().map(|p| Parameter::new(p.tensor().detach())).collect::<Result<Vec<_>>>()?;
        let mut resumed = make(copies.clone())?;
        resumed.load_state_dict(&saved)?;
        steps(optimizer.as_mut(), &params, 4)?;
        steps(resumed.as_mut(), &copies, 4)?;
        assert_eq!(values(&params)?, values(&copies)?, "{name}");
        assert!(loss(&params)?.to_f64()? < before, "{name}");
    }
    Ok(())
}

#[test]
fn a_state_of_another_shape_is_refused() -> Result<()> {
    let params = start()?;
    let mut optimizer = Adam::new(params.clone(), 0.1).build()?;
    steps(&mut optimizer, &params, 1)?;
    let saved = optimizer.state_dict()?;
    let mut other = Adam::new([Parameter::new(Tensor::zeros(2, ())?)?, Parameter::new(Tensor::zeros(2, ())?)?], 0.1).build()?;
    let error = other.load_state_dict(&saved).unwrap_err().to_string();
    assert!(error.contains("`exp_avg` is [3], the parameter [2]"), "{error}");
    let mut fewer = Adam::new([Parameter::new(Tensor::zeros(3, ())?)?], 0.1).build()?;
    assert!(fewer.load_state_dict(&saved).unwrap_err().to_string().contains("a group of 2 parameters"));
    assert!(fewer.load_state_dict(&Value::None).is_err());
    Ok(())
}

#[test]
fn groups_have_options_of_their_own() -> Result<()> {
    let params = start()?;
    let mut optimizer = SGD::new(params[..1].to_vec(), 0.1).build()?;
    optimizer.add_group(params[1..].to_vec(), SgdOptions { lr: 0.0, ..SgdOptions::default() })?;
    steps(&mut optimizer, &params, 1)?;
    assert_eq!(values(&params)?[3..], [0.5, 0.25]);
    assert!((values(&params)?[0] - (1.0 - 0.1 * 2.0 * 0.25)).abs() < 1e-12);
    assert!(optimizer.add_group(params[1..].to_vec(), SgdOptions::default()).is_err());
    assert_eq!(optimizer.groups().len(), 2);
    Ok(())
}

#[test]
fn a_schedule_resumes() -> Result<()> {
    let schedule = |optimizer: &mut SGD| -> Result<SequentialLR> {
        let warmup = LinearLR::new().start_factor(0.1).total_iters(3).on(optimizer)?;
        let decay = CosineAnnealingLR::new(10).on(optimizer)?;
        SequentialLR::new(vec![Box::new(warmup), Box::new(decay)], vec![3], optimizer)
    };
    let params = Linear::new(2, 1)?.parameters();
    let mut optimizer = SGD::new(params.clone(), 0.4).build()?;
    let mut scheduler = schedule(&mut optimizer)?;
    for _ in 0..5 {
        scheduler.step(&mut optimizer)?;
    }
    let (saved, saved_optimizer) = (scheduler.state_dict(), optimizer.state_dict()?);
    let mut other = SGD::new(params, 0.4).build()?;
    let mut resumed = schedule(&mut other)?;
    resumed.load_state_dict(&saved)?;
    other.load_state_dict(&saved_optimizer)?;
    for _ in 0..5 {
        scheduler.step(&mut optimizer)?;
        resumed.step(&mut other)?;
        assert_eq!(optimizer.lrs(), other.lrs());
    }
    Ok(())
}

#[test]
fn a_plateau_lowers_the_rate() -> Result<()> {
    let mut optimizer = SGD::new(Linear::new(2, 1)?.parameters(), 1.0).build()?;
    let mut scheduler = ReduceLROnPlateau::new().patience(1).factor(0.5);
    for metric in [1.0, 0.5, 0.5, 0.5] {
        scheduler.step(metric, &mut optimizer)?;
    }
    assert_eq!(optimizer.lrs(), [0.5]);
    assert!(ReduceLROnPlateau::new().factor(1.0).step(0.0, &mut optimizer).is_err());
    Ok(())
}

#[test]
fn vectors_of_parameters() -> Result<()> {
    let params = start()?;
    let vector = parameters_to_vector(&params.iter().map(|p| p.tensor().detach()).collect::<Vec<_>>())?;
    assert_eq!(vector.to_vec::<f64>()?, values(&params)?);
    vector_to_parameters(&vector.mul(2.0)?, &params)?;
    assert_eq!(values(&params)?, [2.0, -4.0, 6.0, 1.0, 0.5]);
    assert!(vector_to_parameters(&Tensor::zeros(4, ())?, &params).is_err());
    assert!(clip_grad_value_(&params, -1.0).is_err());
    Ok(())
}

/// A complex parameter is what its real and imaginary parts are; numbers are PyTorch's.
#[test]
fn complex_parameters() -> Result<()> {
    let start = Tensor::new([[1.0f64, 2.0], [-0.5, 0.25]])?;
    let run = |make: &dyn Fn(Vec<Parameter>) -> Result<Box<dyn Optimizer>>, complex: bool| -> Result<Vec<f64>> {
        let seen = |t: &Tensor| if complex { t.view_as_complex() } else { Ok(t.clone()) };
        let p = Parameter::new(seen(&start)?)?;
        let mut optimizer = make(vec![p.clone()])?;
        for k in 0..3 {
            let (a, b) = (0.3 + f64::from(k), -0.2 * f64::from(k) + 0.1);
            p.set_grad(Some(seen(&Tensor::new([[a, -0.5 * a], [b, 2.0 * b]])?)?))?;
            optimizer.step()?;
        }
        // A state that was saved goes on as well.
        let state = optimizer.state_dict()?;
        optimizer.load_state_dict(&state)?;
        let p = p.tensor().detach();
        if complex { p.view_as_real()?.to_vec() } else { p.to_vec() }
    };
    for (name, make) in ALL.into_iter().filter(|(name, _)| !matches!(*name, "Adafactor" | "LBFGS" | "LBFGS with a search")) {
        assert_eq!(run(&make, true)?, run(&make, false)?, "{name}");
    }
    let recorded = |make: Make, wanted: [f64; 4]| -> Result<()> {
        let got = run(&make, true)?;
        assert!(got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-14), "{got:?}, wanted {wanted:?}");
        Ok(())
    };
    recorded(
        |p| Ok(Box::new(Adam::new(p, 0.1).build()?)),
        [0.7232135528538436, 2.276786442303847, -0.5352123708066783, 0.21478762601019685],
    )?;
    let p = Parameter::new(start.view_as_complex()?)?;
    p.set_grad(Some(Tensor::new([[3.0f64, 4.0], [0.0, 12.0]])?.view_as_complex()?))?;
    assert_eq!(clip_grad_norm_(std::slice::from_ref(&p), 1.0, 2.0)?.to_f64()?, 13.0);
    assert!((p.grad().unwrap().abs()?.sum()?.to_f64()? - 17.0 / 13.0).abs() < 1e-6);
    // A norm that is no number makes all gradients so.
    let q = Parameter::new(Tensor::ones(2, ())?)?;
    q.set_grad(Some(Tensor::new([f32::NAN, 1.0])?))?;
    clip_grad_norm_(std::slice::from_ref(&q), 1.0, 2.0)?;
    assert!(q.grad().unwrap().to_vec::<f32>()?[1].is_nan());
    // In two steps, with a look at the norm in between.
    p.set_grad(Some(Tensor::new([[f64::INFINITY, 4.0], [0.0, 12.0]])?.view_as_complex()?))?;
    assert!(get_total_norm(&[p.grad().unwrap()], 2.0, true).unwrap_err().to_string().contains("inf"));
    p.set_grad(Some(Tensor::new([[3.0f64, 4.0], [0.0, 12.0]])?.view_as_complex()?))?;
    let norm = get_total_norm(&[p.grad().unwrap()], 2.0, true)?;
    clip_grads_with_norm_(std::slice::from_ref(&p), 26.0, &norm)?;
    assert_eq!(p.grad().unwrap().abs()?.sum()?.to_f64()?, 17.0);
    clip_grads_with_norm_(std::slice::from_ref(&p), 6.5, &norm)?;
    assert!((p.grad().unwrap().abs()?.sum()?.to_f64()? - 8.5).abs() < 1e-6);
    recorded(|p| Ok(Box::new(Rprop::new(p, 0.1).build()?)), [0.636, 2.364, -0.55, 0.2])?;
    recorded(
        |p| Ok(Box::new(Adagrad::new(p, 0.1).initial_accumulator_value(0.5).build()?)),
        [0.7912538016290962, 2.1639864654043905, -0.46172423195966084, 0.3109300086437537],
    )
}

/// States that were written to do harm: what is counted on must not overflow.
#[test]
fn numbers_of_steps_beyond_reason_are_refused() -> Result<()> {
    fn with(state: &Value, key: &str, number: f64) -> Value {
        match state {
            Value::Dict(entries) => {
                let one = |(k, v): &(Value, Value)| {
                    (k.clone(), if k.as_str() == Some(key) { Value::Float(number) } else { with(v, key, number) })
                };
                Value::Dict(entries.iter().map(one).collect())
            }
            other => other.clone(),
        }
    }
    let params = start()?;
    let mut optimizer = Adam::new(params.clone(), 0.1).build()?;
    steps(&mut optimizer, &params, 1)?;
    for number in [-1.0, 1e30, f64::NAN, f64::INFINITY] {
        assert!(optimizer.load_state_dict(&with(&optimizer.state_dict()?, "step", number)).is_err(), "{number}");
    }
    let mut schedule = LinearLR::new().on(&mut optimizer)?;
    let Value::Dict(mut state) = schedule.state_dict() else { panic!("a dict") };
    for number in [i64::MAX, i64::MIN] {
        state.iter_mut().filter(|(k, _)| k.as_str() == Some("last_epoch")).for_each(|(_, v)| *v = Value::Int(number));
        assert!(schedule.load_state_dict(&Value::Dict(state.clone())).is_err());
    }
    let mut cosine = CosineAnnealingLR::new(i64::MAX).on(&mut optimizer)?;
    cosine.step(&mut optimizer)?;
    let mut lbfgs = LBFGS::new(params.clone(), 0.1).max_iter(usize::MAX).max_eval(2).build()?;
    lbfgs.step_with(&mut || loss(&params))?;
    // A plateau that has seen nothing is saved as PyTorch begins.
    assert_eq!(ReduceLROnPlateau::new().state_dict().get("best").and_then(Value::as_float), Some(f64::INFINITY));
    Ok(())
}
