//! A model as a table: layers, shapes of results, parameters, arithmetic.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rushlight_autograd::no_grad;
use rushlight_tensor::{Result, Tensor, count_flops};

use crate::utils::rnn::PackedSequence;
use crate::walk;
use crate::{Forward, Module, Parameter, Visitor};

/// How many threads make a summary.
static MAKING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The layers that were called, while a summary is made on this thread.
    static CALLS: RefCell<Option<Vec<Call>>> = const { RefCell::new(None) };
}

/// One call of a layer.
struct Call {
    address: usize,
    type_name: &'static str,
    shape: Vec<usize>,
    flops: u64,
}

/// What a layer may give: the shape of its (first) tensor.
pub(crate) trait Shaped {
    fn shape_of(&self) -> Vec<usize>;
}

impl Shaped for Tensor {
    fn shape_of(&self) -> Vec<usize> {
        self.shape().to_vec()
    }
}

impl Shaped for PackedSequence {
    fn shape_of(&self) -> Vec<usize> {
        self.data().shape_of()
    }
}

impl<T: Shaped, R> Shaped for (T, R) {
    fn shape_of(&self) -> Vec<usize> {
        self.0.shape_of()
    }
}

/// What every layer of this crate runs in: notes the call for a summary, if one is being made.
#[inline]
pub(crate) fn seen<M: Module + ?Sized, R: Shaped>(layer: &M, f: impl FnOnce() -> Result<R>) -> Result<R> {
    if MAKING.load(Ordering::Relaxed) == 0 { f() } else { note(layer, f) }
}

#[cold]
fn note<M: Module + ?Sized, R: Shaped>(layer: &M, f: impl FnOnce() -> Result<R>) -> Result<R> {
    let (result, flops) = count_flops(f);
    let result = result?;
    CALLS.with_borrow_mut(|calls| {
        if let Some(calls) = calls {
            calls.push(Call { address: layer.address(), type_name: layer.type_name(), shape: result.shape_of(), flops });
        }
    });
    Ok(result)
}

/// One module in a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its full name; empty for the model itself.
    pub name: String,
    /// Its type.
    pub type_name: &'static str,
    /// How many modules it lies in.
    pub depth: usize,
    /// The shape of its result in the last call, if it was seen.
    pub output_shape: Option<Vec<usize>>,
    /// The elements of its own parameters, without those of modules inside of it. Shared ones count at their first place.
    pub parameters: usize,
    /// As many of them as are learned.
    pub trainable: usize,
    /// Floating-point operations of all its calls (a multiplication and an addition are two), if it was seen.
    pub flops: Option<u64>,
    /// How often it was called.
    pub calls: usize,
}

/// What [`summary()`] tells about a model; it is printed as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The model and all modules inside of it.
    pub rows: Vec<Row>,
    /// The elements of all parameters.
    pub total_parameters: usize,
    /// As many of them as are learned.
    pub trainable_parameters: usize,
    /// Bytes of all parameters.
    pub parameter_bytes: usize,
    /// Floating-point operations of the whole pass.
    pub flops: u64,
}

/// The table of a model, as Keras users know it, from one forward pass over the input, without gradients.
///
/// # Errors
/// If the model does not take the input.
///
/// ```
/// use rushlight_nn::{Conv2d, Flatten, Linear, ReLU, sequential, summary};
/// use rushlight_tensor::Tensor;
///
/// let net = sequential![Conv2d::new(1, 6, 5)?, ReLU::new(), Flatten::new(), Linear::new(6 * 24 * 24, 10)?];
/// let table = summary(&net, &Tensor::zeros([1, 1, 28, 28], ())?)?;
/// assert_eq!(table.rows[1].output_shape.as_deref(), Some(&[1, 6, 24, 24][..]));
/// assert_eq!(table.total_parameters, 156 + 34570);
/// println!("{table}");
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn summary<M: Module + Forward>(model: &M, input: &Tensor) -> Result<Summary> {
    let mut shape = Vec::new();
    let mut table = summary_of(model, || {
        shape = model.forward(input)?.shape().to_vec();
        Ok(())
    })?;
    table.rows[0].output_shape = Some(shape);
    table.rows[0].flops = Some(table.flops);
    table.rows[0].calls = 1;
    Ok(table)
}

/// As [`summary()`], for models that take something else than one tensor: `call` runs the model.
///
/// # Errors
/// That of the call.
pub fn summary_of<M: Module>(model: &M, call: impl FnOnce() -> Result<()>) -> Result<Summary> {
    /// Ends the noting, also if the model panics.
    struct Off(Option<Vec<Call>>);
    impl Drop for Off {
        fn drop(&mut self) {
            CALLS.set(self.0.take());
            MAKING.fetch_sub(1, Ordering::Relaxed);
        }
    }
    MAKING.fetch_add(1, Ordering::Relaxed);
    let off = Off(CALLS.replace(Some(Vec::new())));
    let (done, flops) = count_flops(|| no_grad(call));
    let calls = CALLS.take().unwrap_or_default();
    drop(off);
    done?;

    let mut rows: Vec<(usize, Row)> = Vec::new();
    let mut counted = HashSet::new();
    walk::modules(&model, false, &mut |name, module| rows.push(row(name, module, &mut counted)));
    assign(&mut rows, calls);
    let all = model.parameters();
    let sum = |of: &dyn Fn(&Parameter) -> usize| all.iter().map(of).sum();
    Ok(Summary {
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        total_parameters: sum(&Parameter::numel),
        trainable_parameters: sum(&|p| if p.is_requires_grad() { p.numel() } else { 0 }),
        parameter_bytes: sum(&|p| p.numel() * p.dtype().size()),
        flops,
    })
}

/// The row of a module, and where the module lies.
fn row(name: &str, module: &dyn Module, counted: &mut HashSet<usize>) -> (usize, Row) {
    struct Own<'a>(&'a mut HashSet<usize>, usize, usize);
    impl Visitor for Own<'_> {
        fn parameter(&mut self, _: &str, p: &Parameter) {
            if self.0.insert(p.id()) {
                self.1 += p.numel();
                self.2 += if p.is_requires_grad() { p.numel() } else { 0 };
            }
        }
    }
    let mut own = Own(counted, 0, 0);
    module.visit(&mut own);
    let (parameters, trainable) = (own.1, own.2);
    let depth = if name.is_empty() { 0 } else { 1 + name.matches('.').count() };
    let (name, type_name) = (name.to_owned(), module.type_name());
    (module.address(), Row { name, type_name, depth, output_shape: None, parameters, trainable, flops: None, calls: 0 })
}

/// Gives calls to rows. Several layers without any memory of their own may lie at one place: their calls go to them in turn.
fn assign(rows: &mut [(usize, Row)], calls: Vec<Call>) {
    let mut places: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (i, (address, row)) in rows.iter().enumerate() {
        places.entry((*address, row.type_name)).or_default().push(i);
    }
    let mut turns: HashMap<(usize, &str), usize> = HashMap::new();
    for call in calls {
        let key = (call.address, call.type_name);
        let Some(found) = places.get(&key) else { continue };
        let turn = turns.entry(key).or_insert(0);
        let row = &mut rows[found[*turn % found.len()]].1;
        *turn += 1;
        row.output_shape = Some(call.shape);
        row.flops = Some(row.flops.unwrap_or(0) + call.flops);
        row.calls += 1;
    }
}

/// A number with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![["Layer (type)".to_owned(), "Output Shape".into(), "Param #".into(), "FLOPs".into(), "Trainable".into()]];
        for row in self.rows.iter().skip(usize::from(self.rows.len() > 1)) {
            let last = row.name.rsplit('.').next().unwrap_or_default();
            let trainable = match (row.parameters, row.trainable) {
                (0, _) => "-",
                (_, 0) => "no",
                (all, learned) if all == learned => "yes",
                _ => "partly",
            };
            lines.push([
                format!("{}{last} ({})", "  ".repeat(row.depth.saturating_sub(1)), row.type_name),
                row.output_shape.as_ref().map_or("-".to_owned(), |s| format!("{s:?}")),
                grouped(row.parameters as u64),
                row.flops.map_or("-".to_owned(), grouped),
                trainable.to_owned(),
            ]);
        }
        let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        let rule = |c: &str| c.repeat(widths.iter().sum::<usize>() + 8);
        writeln!(f, "Model: {}", self.rows.first().map_or("", |r| r.type_name))?;
        writeln!(f, "{}", rule("="))?;
        for (i, [name, shape, parameters, flops, trainable]) in lines.iter().enumerate() {
            let [a, b, c, d, _] = widths;
            writeln!(f, "{name:a$}  {shape:b$}  {parameters:>c$}  {flops:>d$}  {trainable}")?;
            if i == 0 {
                writeln!(f, "{}", rule("-"))?;
            }
        }
        writeln!(f, "{}", rule("="))?;
        let frozen = self.total_parameters - self.trainable_parameters;
        let size = self.parameter_bytes as f64 / 1e6;
        writeln!(f, "Total params: {} ({size:.2} MB)", grouped(self.total_parameters as u64))?;
        writeln!(f, "Trainable params: {}", grouped(self.trainable_parameters as u64))?;
        writeln!(f, "Non-trainable params: {}", grouped(frozen as u64))?;
        write!(f, "FLOPs: {} (mult-adds: {})", grouped(self.flops), grouped(self.flops / 2))
    }
}
