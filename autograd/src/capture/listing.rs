//! A graph as lines of text.

use std::fmt;

use super::graph::{Graph, Role};
use crate::level::Phase;

impl Phase {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Forward => "forward",
            Phase::Tangent => "tangents",
            Phase::Backward => "backward",
        }
    }
}

/// One line an operation, in the order in which they run: `%3: f32[8, 4] = matmul(%1, %2)`. Where derivatives begin and end, a line says so.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels();
        let typed = |&id: &usize| format!("{}: {}", labels[id], self.values[id].type_text());
        let list = |ids: &[usize]| ids.iter().map(typed).collect::<Vec<_>>().join(", ");
        writeln!(f, "graph({}):", list(&self.inputs))?;
        for (id, v) in self.values.iter().enumerate() {
            match &v.role {
                Role::Parameter(_) => writeln!(f, "  parameter {}", typed(&id))?,
                Role::Constant(_) => match v.number() {
                    Some(number) => writeln!(f, "  constant {} = {number}", typed(&id))?,
                    None => writeln!(f, "  constant {}", typed(&id))?,
                },
                Role::Input | Role::Result { .. } => {}
            }
        }
        let mut phase = Phase::Forward;
        for node in &self.nodes {
            if node.phase != phase {
                phase = node.phase;
                writeln!(f, "  # {}", phase.name())?;
            }
            let mut arguments: Vec<String> = node.inputs.iter().map(|&id| labels[id].clone()).collect();
            arguments.extend(Some(node.attributes()).filter(|a| !a.is_empty()));
            writeln!(f, "  {} = {}({})", list(&node.outputs), node.name(), arguments.join(", "))?;
        }
        let outputs: Vec<&str> = self.outputs.iter().map(|&id| labels[id].as_str()).collect();
        writeln!(f, "  return {}", outputs.join(", "))
    }
}
