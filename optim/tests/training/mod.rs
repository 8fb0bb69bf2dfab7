//! A training run that is saved, ended, and gone on with in a new process.

use std::path::Path;
use std::process::{Command, Stdio};

use rushlight_autograd::Autograd;
use rushlight_data::{Batches, DataLoader, TensorDataset};
use rushlight_nn::{BatchNorm1d, Dropout, Forward, Linear, Module, ReLU, Sequential};
use rushlight_optim::sched::{Schedule, Scheduler, StepLR};
use rushlight_optim::{Optimizer, SGD, TrainingState};
use rushlight_tensor::{DType, Generator, Result, Tensor, manual_seed};

/// What a new process is to do, and in which folder.
const JOB: &str = "RUSHLIGHT_TEST_JOB";

/// Runs one test of this program in a process of its own.
fn start(test: &str, job: &str) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("training::{test}"), "--exact"]).env(JOB, job).stdout(Stdio::null());
    command.spawn().unwrap()
}

/// 20 items in batches of 3 are 7 batches a pass: the tenth step lies in the middle of one.
fn run(from: Option<&Path>, steps: usize, to: &Path) -> Result<()> {
    // Another start than that of the run that is gone on with.
    manual_seed(if from.is_some() { 99 } else { 7 });
    let net = Sequential::new()
        .add(Linear::new(5, 16)?)
        .add(BatchNorm1d::new(16)?)
        .add(ReLU::new())
        .add(Dropout::new(0.4)?)
        .add(Linear::new(16, 3)?);
    let mut optimizer = SGD::new(net.parameters(), 0.1).momentum(0.9).build()?;
    let mut scheduler = StepLR::new(4).gamma(0.7).on(&mut optimizer)?;
    let source = Generator::new(3);
    let x = Tensor::randn_with([20, 5], (), &source)?;
    let y = Tensor::randint_with(0, 3, 20, (), &source)?;
    let loader = DataLoader::new(TensorDataset::new([x, y])?).batch_size(3).shuffle(true);
    let mut batches: Option<Batches<TensorDataset>> = None;
    if let Some(file) = from {
        let saved = TrainingState::load(file)?;
        saved.restore_module("model", &net)?;
        saved.restore_optimizer("optimizer", &mut optimizer)?;
        saved.restore_scheduler("scheduler", &mut scheduler)?;
        batches = Some(loader.resume(&saved.get_bytes("loader")?)?);
        saved.restore_random()?;
    }
    for _ in 0..steps {
        let batch = match batches.as_mut().and_then(Iterator::next) {
            Some(batch) => batch?,
            None => batches.insert(loader.iter()?).next().unwrap()?,
        };
        optimizer.zero_grad();
        net.forward(&batch[0])?.cross_entropy(&batch[1])?.backward()?;
        optimizer.step()?;
        scheduler.step(&mut optimizer)?;
    }
    let state = TrainingState::new()?.module("model", &net).optimizer("optimizer", &optimizer)?.scheduler("scheduler", &scheduler);
    state.bytes("loader", &batches.unwrap().state())?.save(to)
}

#[test]
fn a_new_process_goes_on_to_the_same_bits() -> Result<()> {
    if let Ok(job) = std::env::var(JOB) {
        return match job.split_once('>').unwrap() {
            ("", to) => run(None, 10, Path::new(to)),
            (from, to) => run(Some(Path::new(from)), 10, Path::new(to)),
        };
    }
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    for job in [format!(">{}", file("half").display()), format!("{}>{}", file("half").display(), file("resumed").display())] {
        assert!(start("a_new_process_goes_on_to_the_same_bits", &job).wait()?.success());
    }
    // The default generator of this process serves other tests: the run in one piece has its own process, too.
    let once = format!("once>{}", file("whole").display());
    assert!(start("a_run_in_one_piece", &once).wait()?.success());
    let (resumed, whole) = (std::fs::read(file("resumed"))?, std::fs::read(file("whole"))?);
    assert!(resumed == whole, "weights, statistics, momentum, rates, order and random state must be the same to the bit");
    assert_ne!(whole, std::fs::read(file("half"))?);
    Ok(())
}

#[test]
fn a_run_in_one_piece() -> Result<()> {
    match std::env::var(JOB).ok().as_deref().and_then(|job| job.split_once('>')) {
        Some((_, to)) => run(None, 20, Path::new(to)),
        None => Ok(()),
    }
}

#[test]
fn a_process_that_dies_while_saving_leaves_a_whole_file() -> Result<()> {
    let state = |n: i64| -> Result<TrainingState> {
        Ok(TrainingState::new()?.value("number", n).value("bulk", Tensor::full(200_000, n as f64, DType::F32)?))
    };
    if let Ok(file) = std::env::var(JOB) {
        for n in 0.. {
            state(n)?.save(&file)?;
        }
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("state.pt");
    for round in 0..5 {
        let mut child = start("a_process_that_dies_while_saving_leaves_a_whole_file", &file.display().to_string());
        while !file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(13 + 7 * round));
        let (killed, ended) = (child.kill(), child.wait());
        killed.and(ended)?;
        let saved = TrainingState::load(&file)?;
        let bulk = saved.get("bulk").unwrap().as_tensor().unwrap().to_vec::<f32>()?;
        let number = saved.get("number").unwrap().as_int().unwrap();
        assert!(bulk.iter().all(|&x| x == number as f32), "one file holds two states");
    }
    Ok(())
}

#[test]
fn parts_that_are_not_there_are_named() -> Result<()> {
    let state = TrainingState::new()?.value("epoch", 3i64).value("epoch", 4i64);
    assert_eq!(state.get("epoch").unwrap().as_int(), Some(4));
    let error = state.restore_module("model", &Linear::new(2, 1)?).unwrap_err().to_string();
    assert!(error.contains("no part `model`, only rng_state, epoch"), "{error}");
    assert!(state.get_bytes("epoch").is_err());
    Ok(())
}
