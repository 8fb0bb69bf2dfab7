//! Drawings as SVG, laid out in layers.

use std::collections::BTreeMap;
use std::fmt::Write;

use dagre::graph::{Graph as Plan, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, layout};

use rushlight_tensor::{Error, Result};

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

/// Arrows over more layers than this, all together, would take minutes to lay out, and nobody could follow them.
const MOST_SPANS: usize = 10_000;

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
    ///
    /// # Errors
    /// If the graph is too large for a picture, such as a chain of hundreds of steps that all read one input: [`dot`](Graph::dot) has no bound.
    pub fn svg(&self) -> Result<String> {
        let picture = self.picture();
        let spans = spans(&picture);
        if spans > MOST_SPANS {
            let shapes = picture.figures.len();
            return Err(Error::unsupported(
                "svg",
                format!(
                    "{shapes} shapes with arrows over {spans} layers together are too many, {MOST_SPANS} the most: `dot` takes any graph"
                ),
            ));
        }
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
        Ok(out)
    }
}

/// Which end of an arrow is the upper one, and which the lower.
fn ends(a: &Arrow) -> (usize, usize) {
    if a.upwards { (a.to, a.from) } else { (a.from, a.to) }
}

/// Over how many layers the arrows go, all together, about: what the time of the layout grows with.
fn spans(picture: &Picture) -> usize {
    let n = picture.figures.len();
    let (mut below, mut above, mut layer) = (vec![Vec::new(); n], vec![0usize; n], vec![0usize; n]);
    for (upper, lower) in picture.arrows.iter().map(ends) {
        below[upper].push(lower);
        above[lower] += 1;
    }
    let entering = above.clone();
    let mut ready: Vec<usize> = (0..n).filter(|&i| above[i] == 0).collect();
    let mut order = Vec::with_capacity(n);
    while let Some(i) = ready.pop() {
        order.push(i);
        for &j in &below[i] {
            layer[j] = layer[j].max(layer[i] + 1);
            above[j] -= 1;
            if above[j] == 0 {
                ready.push(j);
            }
        }
    }
    // Every shape lies as high as it can now; those that more arrows leave than enter go down to what they lead to.
    for i in order.into_iter().rev().filter(|&i| entering[i] <= below[i].len()) {
        if let Some(next) = below[i].iter().map(|&j| layer[j]).min() {
            layer[i] = next.saturating_sub(1);
        }
    }
    picture.arrows.iter().map(ends).map(|(upper, lower)| layer[lower].saturating_sub(layer[upper])).sum()
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
    for arrow in &picture.arrows {
        let (v, w) = ends(arrow);
        let (v, w) = (v.to_string(), w.to_string());
        // What flows through the function, and back, is kept straight; what is handed from one to the other may bend.
        let crossing = arrow.phase == Phase::Backward && !arrow.upwards;
        let weight = if crossing { 1 } else { 3 };
        plan.set_edge(v, w, Some(EdgeLabel { weight, ..EdgeLabel::default() }), None);
    }
    let options =
        LayoutOptions { nodesep: 26.0, edgesep: 14.0, ranksep: 36.0, marginx: MARGIN, marginy: MARGIN, ..LayoutOptions::default() };
    layout(&mut plan, Some(options));
    let places: Vec<Place> = (0..picture.figures.len())
        .map(|i| {
            let (width, height) = size(&picture.figures[i]);
            let node = plan.node(&i.to_string());
            let at = |f: fn(&NodeLabel) -> Option<f64>| node.and_then(f).unwrap_or(0.0);
            Place { x: at(|n| n.x), y: at(|n| n.y) + LEGEND, width, height }
        })
        .collect();
    let lines = route(picture, &places, |arrow| {
        let (v, w) = ends(arrow);
        let (v, w) = (v.to_string(), w.to_string());
        // Between the ends are the middles of the gaps and the layers in turn; only at the layers is the line led.
        let points = plan.edge(&v, &w, None).map(|e| &e.points[..]).unwrap_or(&[]);
        points.iter().skip(2).step_by(2).take((points.len().max(3) - 3) / 2).map(|p| (p.x, p.y + LEGEND)).collect()
    });
    (places, lines)
}

/// The lines of the arrows: straight down through layers, bent in the gaps between, so that they touch no shape.
fn route(picture: &Picture, places: &[Place], led: impl Fn(&Arrow) -> Vec<Point>) -> Vec<Vec<Point>> {
    // Half the height of each layer.
    let mut layers: BTreeMap<i64, f64> = BTreeMap::new();
    let layer = |y: f64| (y * 4.0).round() as i64;
    for p in places {
        let half = layers.entry(layer(p.y)).or_default();
        *half = half.max(p.height / 2.0);
    }
    let half = |y: f64| layers.get(&layer(y)).copied().unwrap_or(0.0);
    let mut lines: Vec<Vec<Point>> = picture.arrows.iter().map(led).collect();
    // Where along a shape's border each arrow ends: next to each other in the order of where they come from.
    let (mut starts, mut stops) = (vec![Vec::new(); places.len()], vec![Vec::new(); places.len()]);
    for (i, arrow) in picture.arrows.iter().enumerate() {
        let (upper, lower) = ends(arrow);
        starts[upper].push((lines[i].first().map_or(places[lower].x, |p| p.0), i));
        stops[lower].push((lines[i].last().map_or(places[upper].x, |p| p.0), i));
    }
    let mut at = vec![[0.0; 2]; lines.len()];
    for (which, sides) in [starts, stops].iter_mut().enumerate() {
        for (place, side) in places.iter().zip(sides) {
            side.sort_by(|a, b| a.0.total_cmp(&b.0));
            let n = side.len() as f64;
            let step = (place.width * 0.6 / n).min(16.0);
            for (k, (_, i)) in side.iter().enumerate() {
                at[*i][which] = (k as f64 - (n - 1.0) / 2.0) * step;
            }
        }
    }
    for ((line, arrow), at) in lines.iter_mut().zip(&picture.arrows).zip(at) {
        let (upper, lower) = ends(arrow);
        let border = |id: usize, dx: f64, side: f64| {
            let p = places[id];
            let round = if picture.figures[id].kind.is_operation() { 1.0 } else { (1.0 - (2.0 * dx / p.width).powi(2)).max(0.0).sqrt() };
            (p.x + dx, p.y + side * p.height / 2.0 * round)
        };
        let (start, stop) = (border(upper, at[0], 1.0), border(lower, at[1], -1.0));
        let (top, bottom) = (places[upper].y, places[lower].y);
        let mut points = vec![start, (start.0, top + half(top))];
        for &(x, y) in line.iter() {
            points.extend([(x, y - half(y)), (x, y + half(y))]);
        }
        points.extend([(stop.0, bottom - half(bottom)), stop]);
        if arrow.upwards {
            points.reverse();
        }
        *line = points;
    }
    lines
}

/// A line through points: straight where it goes down or up, else a bend that begins and ends upright.
fn curve(points: &[Point]) -> String {
    let mut out = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let middle = (ay + by) / 2.0;
        let _ = if (ax - bx).abs() < 0.05 {
            write!(out, " L{bx:.1} {by:.1}")
        } else {
            write!(out, " C{ax:.1} {middle:.1} {bx:.1} {middle:.1} {bx:.1} {by:.1}")
        };
    }
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
