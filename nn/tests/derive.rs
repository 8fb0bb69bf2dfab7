//! `#[derive(Module)]`: which fields are parts, under which names, in which order.

use std::collections::BTreeMap;

use rushlight_nn::{Buffer, Forward, Mode, Module, ModuleList, Parameter, Sequential};
use rushlight_tensor::{Result, Tensor};

fn parameter(n: usize) -> Parameter {
    Parameter::new(Tensor::zeros(n, ()).unwrap()).unwrap()
}

fn buffer() -> Buffer {
    Buffer::new(Tensor::zeros(1, ()).unwrap())
}

fn keys(m: &impl Module) -> Vec<String> {
    m.state_dict().into_iter().map(|(k, _)| k).collect()
}

#[derive(Module, Debug)]
struct Leaf {
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Leaf {
    fn new(bias: bool) -> Leaf {
        Leaf { weight: parameter(2), bias: bias.then(|| parameter(2)) }
    }
}

impl Forward for Leaf {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mul(&self.weight.tensor())
    }
}

#[derive(Module)]
struct Order {
    child: Leaf,
    stat: Buffer,
    late: Parameter,
    #[allow(dead_code)]
    size: usize,
    mode: Mode,
}

#[test]
fn parameters_come_before_buffers_before_children() {
    let m = Order { child: Leaf::new(true), stat: buffer(), late: parameter(1), size: 3, mode: Mode::new() };
    assert_eq!(keys(&m), ["late", "stat", "child.weight", "child.bias"]);
    let names: Vec<String> = m.named_parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["late", "child.weight", "child.bias"]);
    assert_eq!(m.named_buffers()[0].0, "stat");
    assert_eq!(m.num_parameters(), 5);
    assert!(m.is_training() && m.mode.is_training());
    m.eval();
    assert!(!m.is_training() && !m.mode.is_training());
}

#[derive(Module)]
struct Shapes {
    list: Vec<Leaf>,
    array: [Leaf; 2],
    pair: (Leaf, Parameter),
    maybe: Option<Box<Leaf>>,
    nothing: Option<Leaf>,
    any: Box<dyn Module>,
    map: BTreeMap<String, Leaf>,
    modules: ModuleList<Leaf>,
    parameters: Vec<Parameter>,
    #[allow(dead_code)]
    kernel: Vec<usize>,
    #[module(skip)]
    #[allow(dead_code)]
    function: fn(f32) -> f32,
    #[module(skip)]
    #[allow(dead_code)]
    hidden: Leaf,
    #[module(rename = "renamed")]
    field: Leaf,
    r#type: Leaf,
}

#[test]
fn containers_of_parts() {
    let m = Shapes {
        list: vec![Leaf::new(false), Leaf::new(true)],
        array: [Leaf::new(false), Leaf::new(false)],
        pair: (Leaf::new(false), parameter(1)),
        maybe: Some(Box::new(Leaf::new(false))),
        nothing: None,
        any: Box::new(Leaf::new(false)),
        map: [("b".to_owned(), Leaf::new(false)), ("a".to_owned(), Leaf::new(false))].into(),
        modules: [Leaf::new(false)].into_iter().collect(),
        parameters: vec![parameter(1), parameter(1)],
        kernel: vec![3, 3],
        function: |x| x,
        hidden: Leaf::new(true),
        field: Leaf::new(false),
        r#type: Leaf::new(false),
    };
    assert_eq!(
        keys(&m),
        [
            "list.0.weight",
            "list.1.weight",
            "list.1.bias",
            "array.0.weight",
            "array.1.weight",
            "pair.1",
            "pair.0.weight",
            "maybe.weight",
            "any.weight",
            "map.a.weight",
            "map.b.weight",
            "modules.0.weight",
            "parameters.0",
            "parameters.1",
            "renamed.weight",
            "type.weight",
        ]
    );
}

#[derive(Module)]
struct Tied {
    first: Leaf,
    second: Leaf,
}

#[test]
fn shared_parameters_are_counted_once_and_saved_under_every_name() -> Result<()> {
    let first = Leaf::new(false);
    let second = Leaf { weight: first.weight.clone(), bias: None };
    let m = Tied { first, second };
    let names: Vec<String> = m.named_parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["first.weight"]);
    assert_eq!(m.num_parameters(), 2);
    assert_eq!(keys(&m), ["first.weight", "second.weight"]);
    m.first.weight.set(&Tensor::new([1.0f32, 2.0])?)?;
    assert_eq!(m.second.weight.tensor().to_vec::<f32>()?, [1.0, 2.0]);
    Ok(())
}

#[derive(Module)]
struct Residual<L> {
    inner: L,
    scale: f32,
}

impl<L: Forward> Forward for Residual<L> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.forward(x)?.mul(self.scale)?.add(x)
    }
}

#[derive(Module)]
struct Pair(Leaf, Residual<Leaf>);

#[derive(Module)]
enum Block {
    Plain(Leaf),
    Named { inner: Leaf, gate: Parameter },
}

#[derive(Module)]
struct Blocks {
    blocks: Vec<Block>,
}

#[test]
fn generics_tuple_structs_and_enums() {
    let m = Pair(Leaf::new(false), Residual { inner: Leaf::new(false), scale: 2.0 });
    assert_eq!(keys(&m), ["0.weight", "1.inner.weight"]);
    let m = Blocks { blocks: vec![Block::Plain(Leaf::new(false)), Block::Named { inner: Leaf::new(false), gate: parameter(1) }] };
    assert_eq!(keys(&m), ["blocks.0.weight", "blocks.1.gate", "blocks.1.inner.weight"]);
}

#[derive(Module)]
#[module(name = "Fancy", extra_repr = describe)]
struct Printed {
    leaf: Leaf,
    body: Sequential,
}

fn describe(_: &Printed) -> String {
    "answer=42".to_owned()
}

#[test]
fn printing_follows_pytorch() {
    let body = Sequential::new().add(Leaf::new(false)).add_named("last", Residual { inner: Leaf::new(false), scale: 1.0 });
    let m = Printed { leaf: Leaf::new(true), body };
    let wanted = "Fancy(\n  answer=42\n  (leaf): Leaf()\n  (body): Sequential(\n    (0): Leaf()\n    (last): Residual(\n      (inner): Leaf()\n    )\n  )\n)";
    assert_eq!(m.to_string(), wanted);
    assert_eq!(keys(&m)[2..], ["body.0.weight", "body.last.inner.weight"]);
}
