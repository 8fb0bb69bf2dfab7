//! Drawings as SVG, laid out in layers.

use std::fmt::Write;

use dagre::graph::{Graph as Plan, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, layout};

use super::graph::Graph;
use super::picture::{Arrow, Figure, FigureKind, Picture};
use crate::level::Phase;

/// Height of a line of text, in pixels.
const LINE: f64 = 15.0;
/// Width of a letter, a little more than is usual at a size of 12.
const LETTER: f64 = 6.9;
/// Room around the drawing.
const MARGIN: f64 = 24.0;
/// Height of the legend.
const LEGEND: f64 = 44.0;

type Point = (f64, f64);

/// Where a shape lies: its middle and its size.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Graph {
    /// The graph as an SVG document that needs nothing else: rectangles for operations, ellipses for tensors, one colour each for the function, tangents and the
    /// backward pass, which goes upwards beside the function; a legend; and more about each shape where the pointer rests on it.
    pub fn svg(&self) -> String {
        let picture = self.picture();
        let (places, lines) = arrange(&picture);
        let right = places.iter().map(|p| p.x + p.width / 2.0).chain(lines.iter().flatten().map(|p| p.0)).fold(0.0, f64::max);
        let bottom = places.iter().map(|p| p.y + p.height / 2.0).chain(lines.iter().flatten().map(|p| p.1)).fold(0.0, f64::max);
        let legend = legend(&picture);
        let width = (right + MARGIN).max(legend.1 + MARGIN);
        let height = bottom + MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<defs>\n"
        );
        for phase in [Phase::Forward, Phase::Tangent, Phase::Backward] {
            let _ = writeln!(
                out,
                "<marker id=\"{}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 1 L10 5 L0 9 z\" fill=\"{}\"/></marker>",
                phase.name(),
                phase.line()
            );
        }
        out.push_str("</defs>\n");
        out.push_str(&legend.0);
        for (arrow, points) in picture.arrows.iter().zip(&lines) {
            let _ = writeln!(
                out,
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\" marker-end=\"url(#{})\"/>",
                curve(points),
                arrow.phase.line(),
                arrow.phase.name()
            );
        }
        for (figure, place) in picture.figures.iter().zip(&places) {
            draw(&mut out, figure, *place);
        }
        out.push_str("</svg>\n");
        out
    }
}

/// The size of a shape around its text.
fn size(figure: &Figure) -> Point {
    let letters = figure.lines.iter().map(|l| l.chars().count()).max().unwrap_or(0) as f64;
    let (w, h) = (letters * LETTER, figure.lines.len() as f64 * LINE);
    // The corners of the text must lie inside of an ellipse.
    if figure.kind.is_operation() { (w + 20.0, h + 12.0) } else { (w * 1.25 + 22.0, h * 1.3 + 12.0) }
}

/// Places of the shapes, and the points through which the arrows go.
fn arrange(picture: &Picture) -> (Vec<Place>, Vec<Vec<Point>>) {
    let mut plan: Plan<NodeLabel, EdgeLabel> = Plan::with_options(GraphOptions { directed: true, multigraph: false, compound: false });
    for (i, figure) in picture.figures.iter().enumerate() {
        let (width, height) = size(figure);
        plan.set_node(i.to_string(), Some(NodeLabel { width, height, ..NodeLabel::default() }));
    }
    let ends = |a: &Arrow| {
        let (from, to) = (a.from.to_string(), a.to.to_string());
        if a.upwards { (to, from) } else { (from, to) }
    };
    for arrow in &picture.arrows {
        let (v, w) = ends(arrow);
        // What flows through the function, and back, is kept straight; what is handed from one to the other may bend.
        let crossing = arrow.phase == Phase::Backward && !arrow.upwards;
        let weight = if crossing { 1 } else { 3 };
        plan.set_edge(v, w, Some(EdgeLabel { weight, ..EdgeLabel::default() }), None);
    }
    let options =
        LayoutOptions { nodesep: 26.0, edgesep: 14.0, ranksep: 30.0, marginx: MARGIN, marginy: MARGIN, ..LayoutOptions::default() };
    layout(&mut plan, Some(options));
    let places: Vec<Place> = (0..picture.figures.len())
        .map(|i| {
            let (width, height) = size(&picture.figures[i]);
            let node = plan.node(&i.to_string());
            let at = |f: fn(&NodeLabel) -> Option<f64>| node.and_then(f).unwrap_or(0.0);
            Place { x: at(|n| n.x), y: at(|n| n.y) + LEGEND, width, height }
        })
        .collect();
    let lines = picture.arrows.iter().map(|arrow| {
        let (v, w) = ends(arrow);
        let inner = plan.edge(&v, &w, None).map(|e| &e.points[..]).unwrap_or(&[]);
        let mut points: Vec<Point> = inner.iter().map(|p| (p.x, p.y + LEGEND)).collect();
        if arrow.upwards {
            points.reverse();
        }
        let (from, to) = (places[arrow.from], places[arrow.to]);
        // The ends lie on rectangles; the arrow shall touch the shapes themselves.
        let n = points.len();
        if n < 3 {
            points = vec![(from.x, from.y), ((from.x + to.x) / 2.0, (from.y + to.y) / 2.0), (to.x, to.y)];
        }
        let n = points.len().max(n);
        points[0] = border(&picture.figures[arrow.from], from, points[1]);
        points[n - 1] = border(&picture.figures[arrow.to], to, points[n - 2]);
        points
    });
    let lines = lines.collect();
    (places, lines)
}

/// Where the line from the middle of a shape towards a point leaves it.
fn border(figure: &Figure, p: Place, towards: Point) -> Point {
    let (dx, dy) = (towards.0 - p.x, towards.1 - p.y);
    let (a, b) = (p.width / 2.0, p.height / 2.0);
    let reach = if figure.kind.is_operation() { (dx.abs() / a).max(dy.abs() / b) } else { (dx / a).hypot(dy / b) };
    if reach <= 1.0 { (p.x, p.y + b.copysign(dy)) } else { (p.x + dx / reach, p.y + dy / reach) }
}

/// A smooth line: a uniform cubic B-spline that begins and ends in the outer points.
fn curve(points: &[Point]) -> String {
    let mix = |a: Point, b: Point, t: f64| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
    let (first, last) = (points[0], points[points.len() - 1]);
    let mut out = format!("M{:.1} {:.1}", first.0, first.1);
    for pair in points.windows(3) {
        let (a, b, c) = (pair[0], pair[1], pair[2]);
        let end = mix(mix(a, b, 2.0 / 3.0), mix(b, c, 1.0 / 3.0), 0.5);
        let (p, q) = (mix(a, b, 1.0 / 3.0), mix(a, b, 2.0 / 3.0));
        let _ = write!(out, " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", p.0, p.1, q.0, q.1, end.0, end.1);
    }
    let before = points[points.len() - 2];
    let (p, q) = (mix(before, last, 1.0 / 3.0), mix(before, last, 2.0 / 3.0));
    let _ = write!(out, " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", p.0, p.1, q.0, q.1, last.0, last.1);
    out
}

fn draw(out: &mut String, figure: &Figure, p: Place) {
    let (line, area) = figure.kind.colours();
    let _ = write!(out, "<g><title>{}</title>", escaped(&figure.title));
    if figure.kind.is_operation() {
        let (x, y) = (p.x - p.width / 2.0, p.y - p.height / 2.0);
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{area}\" stroke=\"{line}\"/>",
            p.width, p.height
        );
    } else {
        let (rx, ry) = (p.width / 2.0, p.height / 2.0);
        let _ =
            write!(out, "<ellipse cx=\"{:.1}\" cy=\"{:.1}\" rx=\"{rx:.1}\" ry=\"{ry:.1}\" fill=\"{area}\" stroke=\"{line}\"/>", p.x, p.y);
    }
    let top = p.y - (figure.lines.len() as f64 - 1.0) * LINE / 2.0 + 4.0;
    for (i, text) in figure.lines.iter().enumerate() {
        let weight = if i == 0 { " font-weight=\"bold\"" } else { " fill=\"#444444\"" };
        let _ = write!(out, "<text x=\"{:.1}\" y=\"{:.1}\"{weight}>{}</text>", p.x, top + i as f64 * LINE, escaped(text));
    }
    out.push_str("</g>\n");
}

/// The kinds of shapes that occur, in a row; and where it ends.
fn legend(picture: &Picture) -> (String, f64) {
    use FigureKind::{Constant, Input, Operation, Parameter, Result};
    let all = [
        Input,
        Parameter,
        Constant,
        Result(Phase::Forward, false),
        Result(Phase::Forward, true),
        Operation(Phase::Forward),
        Operation(Phase::Tangent),
        Operation(Phase::Backward),
    ];
    let (mut out, mut x) = (String::new(), MARGIN);
    for kind in all {
        // Results of all phases are one kind here.
        if !picture.figures.iter().any(|f| f.kind.meaning() == kind.meaning()) {
            continue;
        }
        let figure = Figure { kind, lines: vec![kind.meaning().to_string()], title: String::new() };
        let (width, height) = size(&figure);
        draw(&mut out, &figure, Place { x: x + width / 2.0, y: MARGIN, width, height });
        x += width + 10.0;
    }
    (out, x)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
