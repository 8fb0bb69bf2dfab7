//! Drawings for Graphviz.

use std::fmt::Write;

use super::graph::Graph;

impl Graph {
    /// The graph in Graphviz's language DOT: rectangles for operations, ellipses for tensors, one colour each for the function, tangents and the backward pass, which
    /// goes upwards beside the function. `dot -Tsvg` draws it.
    pub fn dot(&self) -> String {
        let picture = self.picture();
        let mut out = String::from(
            "digraph graph_of_operations {\n  node [style=filled, fontname=\"Helvetica\", fontsize=11];\n  edge [arrowsize=0.7];\n  ranksep=0.3;\n  nodesep=0.2;\n",
        );
        for (i, figure) in picture.figures.iter().enumerate() {
            let (line, area) = figure.kind.colours();
            let shape = if figure.kind.is_operation() { "box" } else { "ellipse" };
            let label: Vec<String> = figure.lines.iter().map(|l| escaped(l)).collect();
            let _ = writeln!(
                out,
                "  n{i} [shape={shape}, label=\"{}\", tooltip=\"{}\", color=\"{line}\", fillcolor=\"{area}\"];",
                label.join("\\n"),
                escaped(&figure.title)
            );
        }
        for arrow in &picture.arrows {
            let (a, b, back) = if arrow.upwards { (arrow.to, arrow.from, ", dir=back") } else { (arrow.from, arrow.to, "") };
            let _ = writeln!(out, "  n{a} -> n{b} [color=\"{}\"{back}];", arrow.phase.line());
        }
        out.push_str("}\n");
        out
    }
}

/// Text between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
