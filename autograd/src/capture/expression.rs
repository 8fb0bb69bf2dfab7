//! A value of a graph as a formula.

use rushlight_backend::op::{Binary, GradUses, Pointwise, Rounding, Unary};
use rushlight_backend::{Op, Scalar};
use rushlight_tensor::{Error, Tensor, unary_derivative};

use super::capture;
use super::graph::{Graph, Role};

/// How tightly a formula holds together: operands that hold less need parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    Comparison,
    Sum,
    Product,
    Sign,
    Power,
    Whole,
}

/// Formulas that grow longer than this are cut: nobody reads them.
const LONGEST: usize = 60;
/// Likewise the parameters of one operation.
const SHORT: usize = 24;

impl Graph {
    /// The formulas of the outputs, down to values with names.
    pub(super) fn formulas(&self) -> Vec<String> {
        let all = self.held_formulas();
        self.outputs.iter().map(|&id| all[id].0.clone()).collect()
    }

    /// The formula of one operation on named operands. Long lists of parameters are left to the listing.
    pub(super) fn node_formula(&self, node: usize, names: &[String]) -> String {
        let node = &self.nodes[node];
        let operands = node.inputs.iter().map(|&id| (names[id].clone(), Hold::Whole)).collect();
        let attributes = node.attributes();
        let short = if attributes.len() <= SHORT { attributes.as_str() } else { ".." };
        write(&node.op, short, operands).0
    }

    /// The formulas of all values; what an operation reads has a place before what it makes.
    fn held_formulas(&self) -> Vec<(String, Hold)> {
        let mut all: Vec<(String, Hold)> = Vec::with_capacity(self.values.len());
        for v in &self.values {
            let formula = match (&v.name, &v.role) {
                (Some(name), _) => (name.clone(), Hold::Whole),
                (None, Role::Result { node, .. }) => {
                    let node = &self.nodes[*node];
                    let operands = node.inputs.iter().map(|&id| all[id].clone()).collect();
                    let (text, hold) = write(&node.op, &node.attributes(), operands);
                    if text.chars().count() > LONGEST { (format!("{}(..)", node.name()), Hold::Whole) } else { (text, hold) }
                }
                _ => {
                    let text = v.number().unwrap_or_else(|| "const".into());
                    let hold = if text.starts_with('-') { Hold::Sign } else { Hold::Whole };
                    (text, hold)
                }
            };
            all.push(formula);
        }
        all
    }
}

fn number(s: Scalar) -> (String, Hold) {
    let text = match s {
        Scalar::Float(x) => format!("{x}"),
        Scalar::Int(x) => format!("{x}"),
        Scalar::Bool(x) => format!("{x}"),
        Scalar::Complex(z) => format!("({z})"),
    };
    let hold = if text.starts_with('-') { Hold::Sign } else { Hold::Whole };
    (text, hold)
}

/// Two operands with a sign between them. The right one must hold tighter where the order of computing matters.
fn infix(a: (String, Hold), sign: &str, b: (String, Hold), hold: Hold, same_on_the_right: bool) -> (String, Hold) {
    let left = enclosed(a, |h| h >= hold);
    let right = enclosed(b, |h| h > hold || (h == hold && same_on_the_right));
    (format!("{left} {sign} {right}"), hold)
}

fn enclosed((text, hold): (String, Hold), fits: impl Fn(Hold) -> bool) -> String {
    if fits(hold) { text } else { format!("({text})") }
}

fn binary(op: Binary, a: (String, Hold), b: (String, Hold)) -> Option<(String, Hold)> {
    // One times something is that, and times a reciprocal is divided by.
    let one = |x: &(String, Hold)| x.0 == "1";
    let divisor = b.0.strip_prefix("1 / ").filter(|_| b.1 == Hold::Product).map(|d| (d.to_string(), Hold::Whole));
    Some(match op {
        Binary::Add => infix(a, "+", b, Hold::Sum, true),
        Binary::Sub => infix(a, "-", b, Hold::Sum, false),
        Binary::Mul if one(&a) => b,
        Binary::Mul if one(&b) => a,
        Binary::Mul if divisor.is_some() => infix(a, "/", divisor?, Hold::Product, false),
        Binary::Mul => infix(a, "*", b, Hold::Product, true),
        Binary::Div(Rounding::None) => infix(a, "/", b, Hold::Product, false),
        Binary::Pow => infix(a, "^", b, Hold::Power, false),
        Binary::Eq => infix(a, "==", b, Hold::Comparison, false),
        Binary::Ne => infix(a, "!=", b, Hold::Comparison, false),
        Binary::Lt => infix(a, "<", b, Hold::Comparison, false),
        Binary::Le => infix(a, "<=", b, Hold::Comparison, false),
        Binary::Gt => infix(a, ">", b, Hold::Comparison, false),
        Binary::Ge => infix(a, ">=", b, Hold::Comparison, false),
        _ => return None,
    })
}

/// The formula of a function's derivative, from what its backward operation reads.
fn derivative(f: Unary, of: (String, Hold)) -> Option<(String, Hold)> {
    let any = Tensor::new(1.0f64).ok()?;
    let body = |x: &[Tensor]| {
        let (x, y) = if f.grad_uses() == GradUses::Output { (None, Some(&x[0])) } else { (Some(&x[0]), None) };
        unary_derivative(f, x, y)?.ok_or_else(|| Error::autograd(f.name(), "the derivative is zero"))
    };
    let text = enclosed(of, |h| h == Hold::Whole);
    let graph = capture(body, &[(&text, &any)]).ok()?;
    graph.held_formulas().get(*graph.outputs.first()?).cloned()
}

fn write(op: &Op, attributes: &str, operands: Vec<(String, Hold)>) -> (String, Hold) {
    let known = match (op, &operands[..]) {
        (Op::Pointwise(Pointwise::Binary(op)), [a, b]) => binary(*op, a.clone(), b.clone()),
        (Op::Pointwise(Pointwise::WithScalar { op, scalar, reflected: false }), [a]) => binary(*op, a.clone(), number(*scalar)),
        (Op::Pointwise(Pointwise::WithScalar { op, scalar, reflected: true }), [a]) => binary(*op, number(*scalar), a.clone()),
        (Op::Pointwise(Pointwise::Unary(Unary::Neg)), [a]) => Some((format!("-{}", enclosed(a.clone(), |h| h > Hold::Sign)), Hold::Sign)),
        (Op::Pointwise(Pointwise::Unary(Unary::Reciprocal)), [a]) => {
            Some(infix(number(Scalar::Int(1)), "/", a.clone(), Hold::Product, false))
        }
        (Op::Pointwise(Pointwise::Unary(Unary::Square)), [a]) => Some(infix(a.clone(), "^", number(Scalar::Int(2)), Hold::Power, false)),
        // A formula is about numbers, not how they lie in memory.
        (Op::Pointwise(Pointwise::Cast(_)), [a]) => Some(a.clone()),
        (Op::Pointwise(Pointwise::UnaryGrad(f)), [g, x]) => derivative(*f, x.clone()).and_then(|d| binary(Binary::Mul, g.clone(), d)),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let mut list: Vec<String> = operands.into_iter().map(|(text, _)| text).collect();
        list.extend(Some(attributes.to_string()).filter(|a| !a.is_empty()));
        (format!("{}({})", op.name(), list.join(", ")), Hold::Whole)
    })
}
