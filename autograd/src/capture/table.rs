//! What happens at a point, step by step: the table that is drawn by hand in courses.

use std::fmt;

use rushlight_tensor::{Error, Result, Tensor, apply};

use super::capture;
use super::graph::{Graph, Node, Role, number, present};
use crate::functional::{jvp, vjp};
use crate::level::Phase;

/// A formula and its value.
type Step = (String, Tensor);

/// A line of a [`TraceTable`].
#[derive(Clone, Debug)]
pub struct TraceRow {
    /// The name of the value: that of an input, or v1, v2...
    pub name: String,
    /// How it is computed, and the value.
    pub primal: Step,
    /// Its tangent (forward mode): from the first line to the last. `None` where it is not defined.
    pub tangent: Option<Step>,
    /// Its adjoint (reverse mode): from the last line to the first. `None` where the result does not depend on it.
    pub adjoint: Option<Step>,
}

/// The evaluation of a function with its derivatives in both directions, side by side. [`Graph::trace`] makes it.
///
/// Tangents are marked by a dot and read from top to bottom, adjoints by a bar and read from bottom to top.
#[derive(Clone, Debug)]
pub struct TraceTable {
    /// Inputs and parameters, then the steps.
    pub rows: Vec<TraceRow>,
}

fn dotted(name: &str) -> String {
    marked(name, '\u{307}')
}

fn barred(name: &str) -> String {
    marked(name, '\u{304}')
}

/// The name with a mark over its first letter.
fn marked(name: &str, mark: char) -> String {
    let mut chars = name.chars();
    chars.next().into_iter().chain([mark]).chain(chars).collect()
}

/// One operation with names for its operands, to be differentiated.
struct Local<'a> {
    node: &'a Node,
    names: &'a [String],
    values: &'a [Option<Tensor>],
    /// The operands that can be differentiated, by their places.
    moving: Vec<usize>,
}

impl<'a> Local<'a> {
    fn new(graph: &Graph, node: &'a Node, names: &'a [String], values: &'a [Option<Tensor>], moves: impl Fn(usize) -> bool) -> Local<'a> {
        let can = |i: &usize| graph.values[node.inputs[*i]].dtype.is_differentiable() && moves(node.inputs[*i]);
        Local { node, names, values, moving: (0..node.inputs.len()).filter(can).collect() }
    }

    /// Captures a derivative of result `k`. Names: those of the operands, then `more`.
    fn derivative(
        &self,
        k: usize,
        more: &[(String, &Tensor)],
        f: impl FnOnce(&dyn Fn(&[Tensor]) -> Result<Tensor>, &[&Tensor], &[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Step>> {
        // An operand that occurs twice has one name, but is two arguments here.
        let n = self.node.inputs.len();
        let places: Vec<String> = (0..n + more.len()).map(|i| format!("#{i}")).collect();
        let mut arguments = Vec::new();
        for (place, &id) in places.iter().zip(&self.node.inputs) {
            arguments.push((place.as_str(), present(self.values, id)?));
        }
        arguments.extend(places[n..].iter().zip(more).map(|(place, (_, t))| (place.as_str(), *t)));
        let points: Vec<&Tensor> = arguments.iter().map(|a| a.1).collect();
        let body = |handles: &[Tensor]| {
            let (operands, others) = handles.split_at(n);
            let op = |moved: &[Tensor]| {
                let mut all = operands.to_vec();
                for (&i, t) in self.moving.iter().zip(moved) {
                    all[i] = t.clone();
                }
                apply(self.node.op.clone(), &all)?.into_iter().nth(k).ok_or_else(|| Error::value(self.node.name(), "has too few results"))
            };
            f(&op, &self.moving.iter().map(|&i| &operands[i]).collect::<Vec<_>>(), others)
        };
        let mut local = capture(body, &arguments)?;
        let inputs = local.inputs.clone();
        for (i, id) in inputs.into_iter().enumerate() {
            let name = self.node.inputs.get(i).map_or_else(|| &more[i - n].0, |&id| &self.names[id]);
            local.values[id].name = Some(name.clone());
        }
        // The operation itself, if it was not taken apart: its results have names already.
        if let Some(own) = local.nodes.first().filter(|own| own.phase == Phase::Forward && own.name() == self.node.name()) {
            for (&to, &from) in own.outputs.clone().iter().zip(&self.node.outputs) {
                local.values[to].name = Some(self.names[from].clone());
            }
        }
        let results = local.run(&points)?;
        Ok(local.formulas().into_iter().zip(results).collect())
    }
}

impl Graph {
    /// Evaluates the function at a point, and with every step its tangent for the direction `tangents` (forward mode; `None` leaves it out) and the adjoint that reverse
    /// mode finds for it, with the formulas of both. The adjoints are those of the first result, starting from ones.
    ///
    /// ```
    /// use rushlight_autograd::capture;
    /// use rushlight_tensor::Tensor;
    ///
    /// let (x1, x2) = (Tensor::new(2.0f64)?, Tensor::new(5.0f64)?);
    /// let graph = capture(|x| x[0].log()?.add(&x[0].mul(&x[1])?)?.sub(&x[1].sin()?), &[("x1", &x1), ("x2", &x2)])?;
    /// let table = graph.trace(&[&x1, &x2], Some(&[&Tensor::new(1.0f64)?, &Tensor::new(0.0f64)?]))?;
    /// println!("{table}");
    /// let last = table.rows.last().unwrap();
    /// assert_eq!((last.primal.0.as_str(), format!("{:.3}", last.primal.1.item::<f64>()?)), ("v3 - v4", "11.652".to_string()));
    /// assert_eq!(last.tangent.as_ref().unwrap().1.item::<f64>()?, 5.5);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// If inputs or tangents do not fit, and those of the operations and their rules.
    pub fn trace(&self, inputs: &[&Tensor], tangents: Option<&[&Tensor]>) -> Result<TraceTable> {
        self.check(inputs)?;
        if let Some(t) = tangents
            && (t.len() != inputs.len() || t.iter().zip(inputs).any(|(t, x)| t.shape() != x.shape() || t.dtype() != x.dtype()))
        {
            return Err(Error::shape("trace", "tangents must be as many as the inputs and have their shapes and dtypes"));
        }
        let names: Vec<String> = self.names_of_steps();
        let at = |id: usize| self.inputs.iter().position(|&i| i == id);
        let values = self.all_values(|id| at(id).map(|i| inputs[i].clone()), |node, x| apply(node.op.clone(), x.iter().copied()))?;
        let directions = match tangents {
            Some(t) => self.tangents(&names, &values, &|id| at(id).map(|i| t[i].clone()))?,
            None => vec![None; self.values.len()],
        };
        let adjoints = self.adjoints(&names, &values)?;
        let mut rows = Vec::new();
        for (id, (tangent, adjoint)) in directions.into_iter().zip(adjoints).enumerate() {
            let formula = match &self.values[id].role {
                Role::Input | Role::Parameter(_) => String::new(),
                Role::Constant(_) => continue,
                Role::Result { node, output } => {
                    let formula = self.node_formula(*node, &names);
                    if self.nodes[*node].outputs.len() == 1 { formula } else { format!("{formula}.{output}") }
                }
            };
            rows.push(TraceRow { name: names[id].clone(), primal: (formula, present(&values, id)?.clone()), tangent, adjoint });
        }
        Ok(TraceTable { rows })
    }

    /// Inputs and parameters by their names, constants by their numbers, results as v1, v2...
    fn names_of_steps(&self) -> Vec<String> {
        let plain = self.labels().into_iter().zip(&self.values);
        plain.map(|(label, v)| v.number().filter(|_| v.name.is_none()).unwrap_or_else(|| label.replace('%', "v"))).collect()
    }

    fn tangents(&self, names: &[String], values: &[Option<Tensor>], given: &dyn Fn(usize) -> Option<Tensor>) -> Result<Vec<Option<Step>>> {
        let mut all: Vec<Option<Step>> = (0..self.values.len()).map(|id| given(id).map(|t| (String::new(), t))).collect();
        for node in &self.nodes {
            let local = Local::new(self, node, names, values, |id| all[id].is_some());
            if local.moving.is_empty() {
                continue;
            }
            let own: Vec<(String, &Tensor)> = local
                .moving
                .iter()
                .filter_map(|&i| all[node.inputs[i]].as_ref().map(|(_, t)| (dotted(&names[node.inputs[i]]), t)))
                .collect();
            let mut found = Vec::new();
            for (k, &id) in node.outputs.iter().enumerate().filter(|(_, id)| self.values[**id].dtype.is_differentiable()) {
                let steps = local.derivative(k, &own, |op, x, t| Ok(vec![jvp(op, x, &t.iter().collect::<Vec<_>>())?.1]))?;
                found.extend(steps.into_iter().map(|step| (id, step)));
            }
            for (id, step) in found {
                all[id] = Some(step);
            }
        }
        Ok(all)
    }

    fn adjoints(&self, names: &[String], values: &[Option<Tensor>]) -> Result<Vec<Option<Step>>> {
        let mut all: Vec<Option<Step>> = vec![None; self.values.len()];
        let Some(&result) = self.outputs.first().filter(|&&id| self.values[id].dtype.is_differentiable()) else { return Ok(all) };
        all[result] = Some(("1".into(), present(values, result)?.ones_like()?));
        // Constants do not move.
        let moves = |id: usize| !matches!(self.values[id].role, Role::Constant(_));
        for node in self.nodes.iter().rev() {
            let local = Local::new(self, node, names, values, moves);
            for (k, &id) in node.outputs.iter().enumerate() {
                let Some((_, adjoint)) = all[id].clone().filter(|_| !local.moving.is_empty()) else { continue };
                let own = [(barred(&names[id]), &adjoint)];
                let steps = local.derivative(k, &own, |op, x, g| Ok(vjp(op, x, Some(&g[0]))?.1))?;
                for (&i, (formula, t)) in local.moving.iter().zip(steps) {
                    let slot = &mut all[node.inputs[i]];
                    *slot = Some(match slot.take() {
                        Some((before, sum)) => (format!("{before} + {formula}"), sum.add(&t)?),
                        None => (formula, t),
                    });
                }
            }
        }
        Ok(all)
    }
}

/// A number, or the shape of what is more.
fn shown(t: &Tensor) -> String {
    if t.numel() == 1 { number(t).unwrap_or_else(|| t.to_string()) } else { format!("{:?}", t.shape()) }
}

/// What a reader counts as the width: marks stand over the letter before.
fn width(text: &str) -> usize {
    text.chars().filter(|c| !('\u{300}'..'\u{370}').contains(c)).count()
}

impl fmt::Display for TraceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equation = |name: String, step: &Step| if step.0.is_empty() { name } else { format!("{name} = {}", step.0) };
        let cells = |name: String, step: Option<&Step>| step.map_or([String::new(), String::new()], |s| [equation(name, s), shown(&s.1)]);
        let mut columns = vec![[vec!["primal, downwards".to_string()], vec![String::new()]]];
        let with_tangents = self.rows.iter().any(|r| r.tangent.is_some());
        if with_tangents {
            columns.push([vec!["tangent, downwards".into()], vec![String::new()]]);
        }
        columns.push([vec!["adjoint, upwards".into()], vec![String::new()]]);
        for row in &self.rows {
            let mut line = vec![cells(row.name.clone(), Some(&row.primal))];
            if with_tangents {
                line.push(cells(dotted(&row.name), row.tangent.as_ref()));
            }
            line.push(cells(barred(&row.name), row.adjoint.as_ref()));
            for (column, [text, value]) in columns.iter_mut().zip(line) {
                column[0].push(text);
                column[1].push(value);
            }
        }
        let flat: Vec<Vec<String>> = columns.into_iter().flatten().collect();
        let widths: Vec<usize> = flat.iter().map(|c| c.iter().map(|t| width(t)).max().unwrap_or(0)).collect();
        let height = flat.first().map_or(0, Vec::len);
        let mut lines = Vec::new();
        for i in 0..height {
            let mut line = String::new();
            for (j, (column, &w)) in flat.iter().zip(&widths).enumerate() {
                let gap = ["  |  ", "  "][j % 2];
                let pad = " ".repeat(w - width(&column[i]));
                // Formulas to the left, values to the right.
                line += &if j % 2 == 0 { format!("{gap}{}{pad}", column[i]) } else { format!("{gap}{pad}{}", column[i]) };
            }
            lines.push(line.trim_end().trim_start_matches("  |  ").to_string());
        }
        lines.insert(1.min(height), "-".repeat(lines.iter().map(|l| width(l)).max().unwrap_or(0)));
        for line in lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
