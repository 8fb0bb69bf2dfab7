//! What a drawing of a graph consists of: an ellipse for each tensor, a rectangle for each operation.

use super::graph::{Graph, Role};
use crate::level::Phase;

/// A shape of the drawing.
pub(super) struct Figure {
    /// What the shape is for.
    pub(super) kind: FigureKind,
    /// The lines of text inside.
    pub(super) lines: Vec<String>,
    /// What a pointer that rests on it is told.
    pub(super) title: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FigureKind {
    Input,
    Parameter,
    Constant,
    /// The result of an operation; whether it is one of the function.
    Result(Phase, bool),
    Operation(Phase),
}

/// An arrow from shape to shape.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What it belongs to: the operation at one of its ends.
    pub(super) phase: Phase,
    /// Backward passes are drawn upwards, beside what they belong to: for the layout such an arrow goes the other way round.
    pub(super) upwards: bool,
}

/// Shapes and arrows.
pub(super) struct Picture {
    pub(super) figures: Vec<Figure>,
    pub(super) arrows: Vec<Arrow>,
}

impl FigureKind {
    pub(super) fn is_operation(self) -> bool {
        matches!(self, FigureKind::Operation(_))
    }

    /// The colours of line and area.
    pub(super) fn colours(self) -> (&'static str, &'static str) {
        match self {
            FigureKind::Input => ("#8a6d00", "#fff2c2"),
            FigureKind::Parameter => ("#5b3a8c", "#e9defa"),
            FigureKind::Constant => ("#777777", "#eeeeee"),
            FigureKind::Result(phase, false) => (phase.line(), "#ffffff"),
            FigureKind::Result(phase, true) => (phase.line(), "#dff3dd"),
            FigureKind::Operation(Phase::Forward) => (Phase::Forward.line(), "#d6e6fb"),
            FigureKind::Operation(Phase::Tangent) => (Phase::Tangent.line(), "#d3f1ee"),
            FigureKind::Operation(Phase::Backward) => (Phase::Backward.line(), "#fbdcd6"),
        }
    }

    /// What the legend says.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            FigureKind::Input => "input",
            FigureKind::Parameter => "parameter",
            FigureKind::Constant => "constant",
            FigureKind::Result(_, false) => "tensor",
            FigureKind::Result(_, true) => "result",
            FigureKind::Operation(Phase::Forward) => "forward",
            FigureKind::Operation(Phase::Tangent) => "tangent",
            FigureKind::Operation(Phase::Backward) => "backward",
        }
    }
}

impl Phase {
    /// The colour of lines.
    pub(super) fn line(self) -> &'static str {
        match self {
            Phase::Forward => "#2457a4",
            Phase::Tangent => "#0b7a70",
            Phase::Backward => "#b33a24",
        }
    }
}

/// Attributes below this many characters stand in the picture; longer ones are told by the pointer.
const SHORT: usize = 34;

impl Graph {
    /// The shapes of values come first, at their places; then those of the nodes.
    pub(super) fn picture(&self) -> Picture {
        let labels = self.labels();
        let mut figures = Vec::new();
        for (id, v) in self.values.iter().enumerate() {
            let kind = match v.role {
                Role::Input => FigureKind::Input,
                Role::Parameter(_) => FigureKind::Parameter,
                Role::Constant(_) => FigureKind::Constant,
                Role::Result { node, .. } => FigureKind::Result(self.nodes[node].phase, self.outputs.contains(&id)),
            };
            let lines = match v.number() {
                Some(number) if v.name.is_none() => vec![number],
                _ => vec![labels[id].clone(), v.type_text()],
            };
            figures.push(Figure { kind, lines, title: format!("{} {}: {}", kind.meaning(), labels[id], v.type_text()) });
        }
        let mut arrows = Vec::new();
        for node in &self.nodes {
            let (at, phase, attributes) = (figures.len(), node.phase, node.attributes());
            let mut lines = vec![node.name().to_string()];
            lines.extend(Some(attributes.clone()).filter(|a| !a.is_empty() && a.len() <= SHORT));
            let title = format!("{}({attributes})", node.name());
            figures.push(Figure { kind: FigureKind::Operation(phase), lines, title });
            // An operand that is read twice has one arrow.
            for (_, &id) in node.inputs.iter().enumerate().filter(|(i, id)| !node.inputs[..*i].contains(id)) {
                let made_backward = matches!(figures[id].kind, FigureKind::Result(Phase::Backward, _));
                arrows.push(Arrow { from: id, to: at, phase, upwards: phase == Phase::Backward && made_backward });
            }
            for &id in &node.outputs {
                arrows.push(Arrow { from: at, to: id, phase, upwards: phase == Phase::Backward });
            }
        }
        Picture { figures, arrows }
    }
}
