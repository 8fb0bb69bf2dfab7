//! Captured functions against the functions themselves.

use rushlight_backend::DType;
use rushlight_tensor::{Result, Tensor};

use super::{Graph, Role, capture};
use crate::level::Phase;
use crate::{Autograd, grad, jvp, vjp, vmap};

fn t(x: f64) -> Tensor {
    Tensor::new(x).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().unwrap()
}

/// f(x1, x2) = ln x1 + x1 x2 - sin x2
fn course(x: &[Tensor]) -> Result<Tensor> {
    x[0].log()?.add(&x[0].mul(&x[1])?)?.sub(&x[1].sin()?)
}

fn course_graph() -> Graph {
    capture(course, &[("x1", &t(2.0)), ("x2", &t(5.0))]).unwrap()
}

/// A graph that was captured at some inputs, run at others, gives what the function gives there.
fn replays(f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>, at: &[&Tensor], elsewhere: &[&Tensor]) -> Graph {
    let names: Vec<String> = (0..at.len()).map(|i| format!("x{i}")).collect();
    let inputs: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(at.iter().copied()).collect();
    let graph = capture(&f, &inputs).unwrap();
    for point in [at, elsewhere] {
        let want = f(&point.iter().map(|x| (*x).clone()).collect::<Vec<_>>()).unwrap();
        let got = graph.run(point).unwrap();
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(&want) {
            assert_eq!((g.shape(), values(g)), (w.shape(), values(w)));
        }
    }
    graph
}

#[test]
fn the_course_as_listing_and_table() {
    let graph = course_graph();
    let listing = "graph(x1: f64[], x2: f64[]):\n  %1: f64[] = log(x1)\n  %2: f64[] = mul(x1, x2)\n  %3: f64[] = add(%1, %2)\n  %4: f64[] = sin(x2)\n  %5: f64[] = sub(%3, %4)\n  return %5\n";
    assert_eq!(graph.to_string(), listing);
    let table = graph.trace(&[&t(2.0), &t(5.0)], Some(&[&t(1.0), &t(0.0)])).unwrap();
    let row = |name: &str| table.rows.iter().find(|r| r.name == name).unwrap();
    // The columns of the table by hand: value, tangent for dx1 = 1, adjoint.
    let (ln2, sin5, cos5) = (2f64.ln(), 5f64.sin(), 5f64.cos());
    let by_hand = [
        ("x1", 2.0, 1.0, 5.5),
        ("x2", 5.0, 0.0, 2.0 - cos5),
        ("v1", ln2, 0.5, 1.0),
        ("v2", 10.0, 5.0, 1.0),
        ("v3", ln2 + 10.0, 5.5, 1.0),
        ("v4", sin5, 0.0, -1.0),
        ("v5", ln2 + 10.0 - sin5, 5.5, 1.0),
    ];
    for (name, value, tangent, adjoint) in by_hand {
        let r = row(name);
        let got = [&r.primal.1, &r.tangent.as_ref().unwrap().1, &r.adjoint.as_ref().unwrap().1].map(|x| x.item::<f64>().unwrap());
        for (got, want) in got.into_iter().zip([value, tangent, adjoint]) {
            assert!((got - want).abs() < 1e-12, "{name}: {got} {want}");
        }
    }
    assert_eq!(row("v5").primal.0, "v3 - v4");
    assert_eq!(row("v1").tangent.as_ref().unwrap().0, "x\u{307}1 / x1");
    assert_eq!(row("x2").adjoint.as_ref().unwrap().0, "v\u{304}4 * cos(x2) + v\u{304}2 * x1");
    let text = table.to_string();
    assert!(text.lines().count() == 9 && text.contains("v5 = v3 - v4") && text.contains("11.6521"), "{text}");
    // Without a direction there are no tangents.
    assert!(graph.trace(&[&t(2.0), &t(5.0)], None).unwrap().rows.iter().all(|r| r.tangent.is_none() && r.adjoint.is_some()));
}

#[test]
fn replay_is_the_function_under_every_nesting() {
    let (a, b) = (Tensor::new([0.3f64, -0.7, 1.1]).unwrap(), Tensor::new([2.0f64, 0.1, -0.4]).unwrap());
    let (u, v) = (Tensor::new([1.0f64, 2.0, -1.0]).unwrap(), Tensor::new([0.5f64, -3.0, 0.2]).unwrap());
    let f = |x: &Tensor| x.sin()?.mul(&x.exp()?)?.softmax(0)?.mul(x)?.sum();
    replays(|x| Ok(vec![f(&x[0])?]), &[&a], &[&b]);
    let backward = replays(|x| Ok(vec![grad(f, &x[0])?]), &[&a], &[&b]);
    let phases = |graph: &Graph, phase| graph.nodes.iter().filter(|n| n.phase == phase).count();
    assert!(phases(&backward, Phase::Forward) >= 6 && phases(&backward, Phase::Backward) >= 6 && phases(&backward, Phase::Tangent) == 0);
    let forward = replays(
        |x| {
            let (y, dy) = jvp(|x| f(&x[0]), &[&x[0]], &[&x[1]])?;
            Ok(vec![y, dy])
        },
        &[&a, &u],
        &[&b, &v],
    );
    assert!(phases(&forward, Phase::Tangent) >= 6 && phases(&forward, Phase::Backward) == 0);
    // Forward over reverse, reverse over forward, reverse over reverse.
    replays(|x| Ok(vec![jvp(|y| grad(f, &y[0]), &[&x[0]], &[&x[1]])?.1]), &[&a, &u], &[&b, &v]);
    replays(|x| Ok(vec![grad(|y| Ok(jvp(|z| f(&z[0]), &[y], &[&x[1]])?.1), &x[0])?]), &[&a, &u], &[&b, &v]);
    replays(|x| Ok(vec![grad(|y| grad(f, y)?.square()?.sum(), &x[0])?]), &[&a], &[&b]);
    // Samples.
    let (m, n) = (Tensor::stack(&[a.clone(), b.clone()], 0).unwrap(), Tensor::stack(&[v, u], 0).unwrap());
    let batched = replays(|x| Ok(vec![vmap(|s| s[0].mul(2.0)?.tanh(), &[&x[0]], &[Some(0)], 0)?]), &[&m], &[&n]);
    assert!(batched.nodes.iter().any(|n| n.name() == "tanh") && batched.values.iter().any(|v| v.shape == [2, 3]));
    replays(|x| Ok(vec![vmap(|s| grad(f, &s[0]), &[&x[0]], &[Some(0)], 0)?]), &[&m], &[&n]);
    // A capture inside of a transform, and inside of another capture.
    let inside = |x: &Tensor| {
        let graph = capture(|y| f(&y[0]), &[("y", x)])?;
        Ok(graph.run(&[x])?.swap_remove(0))
    };
    assert_eq!(values(&grad(inside, &a).unwrap()), values(&grad(f, &a).unwrap()));
    replays(|x| Ok(vec![inside(&x[0])?]), &[&a], &[&b]);
}

#[test]
fn leaves_made_inside_are_seen_to_the_end() {
    let x = Tensor::new([0.5f64, 2.0]).unwrap();
    let f = |x: &[Tensor]| {
        let leaf = x[0].requires_grad()?;
        leaf.exp()?.sum()?.backward()?;
        Ok(leaf.grad().into_iter().collect::<Vec<_>>())
    };
    let graph = replays(f, &[&x], &[&x.neg().unwrap()]);
    assert!(graph.nodes.iter().any(|n| n.phase == Phase::Backward && n.name() == "exp_backward"), "{graph}");
}

#[test]
fn constants_parameters_and_the_backward_graph() {
    let (w, b) =
        (Tensor::randn([2, 3], DType::F64).unwrap().requires_grad().unwrap(), Tensor::new([0.1f64, 0.2]).unwrap().requires_grad().unwrap());
    let x = Tensor::randn([4, 3], DType::F64).unwrap();
    let target = Tensor::new([0i64, 1, 1, 0]).unwrap();
    let f = |x: &[Tensor]| x[0].linear(&w, Some(&b))?.cross_entropy(&target);
    let graph = capture(f, &[("x", &x)]).unwrap().with_parameters([("fc.weight", w.clone()), ("fc.bias", b.clone())]);
    let text = graph.to_string();
    assert!(text.contains("parameter fc.weight: f64[2, 3]") && text.contains("constant c1: i64[4]"), "{text}");
    assert!(text.contains("linear(x, fc.weight, fc.bias)"), "{text}");
    let whole = graph.with_backward(&[&x]).unwrap();
    let text = whole.to_string();
    assert!(text.contains("# backward") && text.contains("fc.weight.grad: f64[2, 3]") && text.contains("fc.bias.grad: f64[2]"), "{text}");
    assert!(whole.inputs.len() == 1 && matches!(whole.values[1].role, Role::Parameter(_)));
    f(std::slice::from_ref(&x)).unwrap().backward().unwrap();
    let run = whole.run(&[&x]).unwrap();
    assert_eq!(values(&run[1]), values(&w.grad().unwrap()));
    assert_eq!(values(&run[2]), values(&b.grad().unwrap()));
    let wide = capture(|x| x[0].exp(), &[("x", &x)]).unwrap().with_backward(&[&x]).unwrap_err().to_string();
    assert!(wide.contains("one element") && wide.contains("f64[4, 3]"), "{wide}");
    // Without parameters the inputs are differentiated.
    let (x1, x2) = (t(2.0), t(5.0));
    let whole = course_graph().with_backward(&[&x1, &x2]).unwrap();
    let run = whole.run(&[&x1, &x2]).unwrap();
    let (_, want) = vjp(course, &[&x1, &x2], None).unwrap();
    assert_eq!([values(&run[1]), values(&run[2])], [values(&want[0]), values(&want[1])]);
    // One use, one value: the constant is there once.
    let twice = capture(|x| x[0].mul(&target)?.add(&target), &[("x", &target)]).unwrap();
    assert_eq!(twice.values.len(), 4);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (x, y) = (t(1.0), Tensor::new([1.0f64, 2.0]).unwrap());
    let twice = capture(course, &[("x", &x), ("x", &y)]).unwrap_err().to_string();
    assert!(twice.contains("two inputs have the name `x`"), "{twice}");
    let graph = course_graph();
    let few = graph.run(&[&x]).unwrap_err().to_string();
    assert!(few.contains("2 inputs, got 1"), "{few}");
    let other = graph.run(&[&x, &y]).unwrap_err().to_string();
    assert!(other.contains("`x2`") && other.contains("f64[2]"), "{other}");
    assert!(graph.trace(&[&x, &x], Some(&[&x])).is_err());
    // Errors of the function come through, and tensors that are carried out are ordinary ones.
    assert!(capture(|x| x[0].matmul(&x[0]), &[("x", &x)]).is_err());
    let mut kept = None;
    capture(
        |x| {
            kept = Some(x[0].clone());
            Ok(x[0].clone())
        },
        &[("x", &x)],
    )
    .unwrap();
    let kept = kept.unwrap();
    assert_eq!(kept.add(1.0).unwrap().item::<f64>().unwrap(), 2.0);
    // In another capture they are constants, whichever operand they are; what was a leaf inside is what it was made of.
    for graph in [capture(|x| x[0].mul(&kept), &[("x", &t(3.0))]).unwrap(), capture(|x| kept.mul(&x[0]), &[("x", &t(3.0))]).unwrap()] {
        assert_eq!((graph.nodes.len(), values(&graph.run(&[&t(5.0)]).unwrap()[0])), (1, vec![5.0]), "{graph}");
    }
    let leaf = capture(|x| x[0].requires_grad()?.square(), &[("x", &x)]).unwrap();
    assert_eq!(values(&leaf.run(&[&t(5.0)]).unwrap()[0]), [25.0]);
}

/// Graphviz takes the text, where it is installed.
#[test]
fn dot() {
    let graph = course_graph().with_backward(&[&t(2.0), &t(5.0)]).unwrap();
    let text = graph.dot();
    let count = |what: &str| text.matches(what).count();
    assert_eq!((count("shape=box"), count("shape=ellipse")), (graph.nodes.len(), graph.values.len()));
    let arrows: usize = graph.nodes.iter().map(|n| n.inputs.len() + n.outputs.len()).sum();
    assert!(count(" -> ") <= arrows && count(" -> ") > graph.nodes.len() && count("dir=back") > 0);
    let quoted = capture(|x| x[0].neg(), &[("a \"b\" \\ c", &t(1.0))]).unwrap().dot();
    assert!(quoted.contains(r#"a \"b\" \\ c"#), "{quoted}");
    for text in [text, quoted] {
        let Ok(mut child) = std::process::Command::new("dot")
            .arg("-Tplain")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
        else {
            return;
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).starts_with("graph "));
    }
}

#[cfg(feature = "svg")]
#[test]
fn svg_is_well_formed_and_nothing_overlaps() {
    let x = Tensor::ones([4, 3], DType::F64).unwrap();
    let f = |x: &[Tensor]| x[0].softmax(1)?.mul(&x[0])?.exp()?.sum();
    let deep = capture(f, &[("a < b & \"c\"", &x)]).unwrap().with_backward(&[&x]).unwrap();
    // What nobody could follow is refused at once.
    let long = |x: &[Tensor]| (0..200).try_fold(x[0].clone(), |y, _| y.mul(&x[0]));
    let refused = capture(long, &[("x", &t(1.0))]).unwrap().svg().unwrap_err().to_string();
    assert!(refused.contains("401 shapes") && refused.contains("`dot`"), "{refused}");
    for graph in [course_graph(), course_graph().with_backward(&[&t(2.0), &t(5.0)]).unwrap(), deep] {
        let text = graph.svg().unwrap();
        assert_eq!(text, graph.svg().unwrap());
        let document = roxmltree::Document::parse(&text).unwrap();
        let number = |n: roxmltree::Node<'_, '_>, key: &str| n.attribute(key).unwrap().parse::<f64>().unwrap();
        let (width, height) = (number(document.root_element(), "width"), number(document.root_element(), "height"));
        let mut boxes = Vec::new();
        for group in document.descendants().filter(|n| n.has_tag_name("g")) {
            for n in group.children() {
                match n.tag_name().name() {
                    "rect" => boxes.push([
                        number(n, "x"),
                        number(n, "y"),
                        number(n, "x") + number(n, "width"),
                        number(n, "y") + number(n, "height"),
                    ]),
                    "ellipse" => {
                        let [x, y, rx, ry] = ["cx", "cy", "rx", "ry"].map(|k| number(n, k));
                        boxes.push([x - rx, y - ry, x + rx, y + ry]);
                    }
                    _ => {}
                }
            }
        }
        assert!(boxes.len() >= graph.nodes.len() + graph.values.len());
        for (i, a) in boxes.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[1] >= 0.0 && a[2] <= width && a[3] <= height);
            assert!(boxes[..i].iter().all(|b| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1]));
        }
    }
}
