//! What a captured function is.

use rushlight_backend::Op;
use rushlight_tensor::{DType, Error, Result, Tensor, Tensors, apply};

use super::attributes::attributes;
use super::capture;
use crate::functional::vjp;
use crate::level::{Phase, in_phase};

/// A function as data: operations in the order in which they ran, and the values between them. `capture` makes it.
///
/// It prints as a listing; [`dot`](Graph::dot) and `svg` draw it, [`trace`](Graph::trace) tells what happens at a point, [`run`](Graph::run) computes it.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All tensors. Nodes, inputs and outputs name them by their places here.
    pub values: Vec<Value>,
    /// The operations.
    pub nodes: Vec<Node>,
    /// The arguments of the function.
    pub inputs: Vec<usize>,
    /// Its results.
    pub outputs: Vec<usize>,
}

/// A tensor of a graph.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is called, if somebody named it.
    pub name: Option<String>,
    /// Where it comes from.
    pub role: Role,
    /// The sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its element type.
    pub dtype: DType,
}

/// Where a tensor of a graph comes from.
#[derive(Clone, Debug)]
pub enum Role {
    /// An argument.
    Input,
    /// A named tensor that is learned.
    Parameter(Tensor),
    /// A tensor that was there before, or was made from no arguments.
    Constant(Tensor),
    /// The result of an operation.
    Result {
        /// The node.
        node: usize,
        /// Which of its results.
        output: usize,
    },
}

/// An operation of a graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// What it is for.
    pub phase: Phase,
    /// The values that it reads.
    pub inputs: Vec<usize>,
    /// The values that it makes.
    pub outputs: Vec<usize>,
}

impl Value {
    pub(super) fn new(name: Option<String>, role: Role, t: &Tensor) -> Value {
        Value { name, role, shape: t.shape().to_vec(), dtype: t.dtype() }
    }

    /// Dtype and shape, such as `f32[8, 4]`.
    pub fn type_text(&self) -> String {
        format!("{}{:?}", format!("{:?}", self.dtype).to_lowercase(), self.shape)
    }

    /// The one element of a parameter or constant that has one, as text.
    pub(super) fn number(&self) -> Option<String> {
        match &self.role {
            Role::Constant(t) | Role::Parameter(t) if t.numel() == 1 => number(t),
            _ => None,
        }
    }
}

/// The one element of a tensor as text.
pub(super) fn number(t: &Tensor) -> Option<String> {
    if t.dtype().is_complex() {
        return None;
    }
    let x = t.to_f64().ok()?;
    let text = if x != 0.0 && !(1e-3..1e6).contains(&x.abs()) { format!("{x:.3e}") } else { format!("{x:.4}") };
    let short = text.contains('.') && !text.contains('e');
    Some(if short { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text })
}

impl Node {
    /// The name of the operation.
    pub fn name(&self) -> &'static str {
        self.op.name()
    }

    /// Its parameters as text, such as `dims=[1], keepdim=true`. What is absent or false is left out.
    pub fn attributes(&self) -> String {
        attributes(&self.op)
    }
}

impl Graph {
    /// What the values are called: their names, or `%3` for the third result, `c1` for the first constant.
    pub fn labels(&self) -> Vec<String> {
        let (mut results, mut constants) = (0, 0);
        let label = |v: &Value| {
            let (mark, count) = if matches!(v.role, Role::Result { .. }) { ("%", &mut results) } else { ("c", &mut constants) };
            // Results are counted with those that have names, so that a name changes no other's number.
            *count += usize::from(v.name.is_none() || mark == "%");
            v.name.clone().unwrap_or_else(|| format!("{mark}{count}"))
        };
        self.values.iter().map(label).collect()
    }

    /// Calls constants by the names of the parameters that they are:
    /// `graph.with_parameters(net.named_parameters().into_iter().map(|(name, p)| (name, p.tensor())))`.
    #[must_use]
    pub fn with_parameters<N: Into<String>>(mut self, parameters: impl IntoIterator<Item = (N, Tensor)>) -> Graph {
        for (name, p) in parameters {
            let same = |v: &&mut Value| matches!(&v.role, Role::Constant(t) if t.is_same(&p));
            if let Some(v) = self.values.iter_mut().find(same) {
                v.name = Some(name.into());
                v.role = Role::Parameter(p);
            }
        }
        self
    }

    /// The values of this role that can be differentiated.
    fn differentiable(&self, role: impl Fn(&Role) -> bool) -> Vec<usize> {
        (0..self.values.len()).filter(|&i| role(&self.values[i].role) && self.values[i].dtype.is_differentiable()).collect()
    }

    /// The function together with its backward pass: the gradients of its result, which has one element, with respect to its parameters, or to its inputs if it has
    /// none. They are further outputs, called `NAME.grad`. `inputs` say at which point it is captured.
    ///
    /// # Errors
    /// Those of the rules, or if the result has more than one element.
    pub fn with_backward(&self, inputs: &[&Tensor]) -> Result<Graph> {
        self.check(inputs)?;
        let mut wanted = self.differentiable(|r| matches!(r, Role::Parameter(_)));
        if wanted.is_empty() {
            wanted = self.differentiable(|r| matches!(r, Role::Input));
        }
        let names = self.labels();
        // Parameters are arguments here, so that the graph sees what becomes of them.
        let mut given: Vec<(usize, Tensor)> = self.inputs.iter().copied().zip(inputs.iter().map(|&t| t.clone())).collect();
        for &id in &wanted {
            if let Role::Parameter(p) = &self.values[id].role {
                given.push((id, p.with_trace(None)));
            }
        }
        // So is the gradient that the pass starts from.
        let result =
            self.outputs.first().map(|&id| &self.values[id]).ok_or_else(|| Error::value("with_backward", "the function has no result"))?;
        if result.shape.iter().product::<usize>() != 1 {
            return Err(Error::autograd("with_backward", format!("the result must have one element, it is {}", result.type_text())));
        }
        let one = Tensor::ones(&result.shape[..], result.dtype)?;
        let mut arguments: Vec<(&str, &Tensor)> = given.iter().map(|(id, t)| (names[*id].as_str(), t)).collect();
        arguments.push(("the gradient to start from", &one));
        let whole = |handles: &[Tensor]| {
            let at = |id: usize| given.iter().position(|(g, _)| *g == id).map(|i| &handles[i]);
            let primals: Vec<&Tensor> = wanted.iter().filter_map(|&id| at(id)).collect();
            let f = |leaves: &[Tensor]| {
                let leaf = |id: usize| wanted.iter().position(|&w| w == id).map(|i| leaves[i].clone());
                let all = self.evaluate(|id| leaf(id).or_else(|| at(id).cloned()))?;
                all.into_iter().next().ok_or_else(|| Error::value("with_backward", "the function has no result"))
            };
            vjp(f, &primals, handles.last())
        };
        let mut graph = capture(whole, &arguments)?;
        for (&id, &output) in wanted.iter().zip(&graph.outputs[1..]) {
            graph.values[output].name.get_or_insert_with(|| format!("{}.grad", names[id]));
        }
        let mut parameters: Vec<usize> = graph.inputs.split_off(self.inputs.len());
        if let Some(id) = parameters.pop() {
            graph.values[id].name = None;
            graph.values[id].role = Role::Constant(one.clone());
        }
        for (i, (_, t)) in parameters.into_iter().zip(given.into_iter().skip(inputs.len())) {
            graph.values[i].role = Role::Parameter(t);
        }
        Ok(graph)
    }

    /// Computes the function at other inputs, of the same shapes and dtypes.
    ///
    /// # Errors
    /// If their number, a shape or a dtype differs, and those of the operations.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.check(inputs)?;
        self.evaluate(|id| self.inputs.iter().position(|&i| i == id).map(|i| inputs[i].clone()))
    }

    pub(super) fn check(&self, inputs: &[&Tensor]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::value("Graph::run", format!("the function has {} inputs, got {}", self.inputs.len(), inputs.len())));
        }
        for (&id, x) in self.inputs.iter().zip(inputs) {
            let v = &self.values[id];
            if v.shape != x.shape() || v.dtype != x.dtype() {
                let got = Value::new(None, Role::Input, x).type_text();
                return Err(Error::shape(
                    "Graph::run",
                    format!("input `{}` was captured as {}, got {got}", self.labels()[id], v.type_text()),
                ));
            }
        }
        Ok(())
    }

    /// The outputs; `given` replaces values.
    fn evaluate(&self, given: impl Fn(usize) -> Option<Tensor>) -> Result<Vec<Tensor>> {
        let all = self.all_values(given, |node, inputs| apply(node.op.clone(), inputs.iter().copied()))?;
        self.outputs.iter().map(|&id| present(&all, id).cloned()).collect()
    }

    /// All values, with the operations done by `apply`.
    pub(super) fn all_values(
        &self,
        given: impl Fn(usize) -> Option<Tensor>,
        apply: impl Fn(&Node, &[&Tensor]) -> Result<Tensors>,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut all: Vec<Option<Tensor>> = self.values.iter().enumerate().map(|(id, v)| given(id).or_else(|| v.held())).collect();
        for node in &self.nodes {
            let inputs = node.inputs.iter().map(|&id| present(&all, id)).collect::<Result<Vec<_>>>()?;
            let outputs = in_phase(node.phase, || apply(node, &inputs))?;
            for (&id, y) in node.outputs.iter().zip(outputs) {
                all[id] = Some(y);
            }
        }
        Ok(all)
    }
}

impl Value {
    /// The tensor that the graph itself holds.
    fn held(&self) -> Option<Tensor> {
        match &self.role {
            Role::Parameter(t) | Role::Constant(t) => Some(t.clone()),
            Role::Input | Role::Result { .. } => None,
        }
    }
}

/// A value that was computed before, as it is in graphs that were captured.
pub(super) fn present(all: &[Option<Tensor>], id: usize) -> Result<&Tensor> {
    all.get(id).and_then(Option::as_ref).ok_or_else(|| Error::value("Graph::run", format!("value {id} is used before it is computed")))
}
