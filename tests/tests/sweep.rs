//! Every derivative rule against finite differences, the modes against each other, and second derivatives both ways.

use std::collections::{BTreeMap, BTreeSet};

use rushlight_tests::golden::Golden;
use rushlight_tests::sweep::{Verdict, sweep};

/// Operators whose cases are off or refused, and why that is right.
const ARGUED: &[(&str, &str)] = &[
    ("logcumsumexp", "PyTorch's tangent divides by a sum to which it adds 1e-13"),
    (
        "nn.functional.ctc_loss",
        "PyTorch's gradient is that of logits whose softmax the log-probabilities are, and has no derivative of its own",
    ),
    ("nn.functional.embedding", "the padding row has no gradient, and gradients may be divided by how often a row is used"),
    ("nn.functional.hinge_embedding_loss", "the targets are differentiated too, and mean something only at 1 and -1"),
];

/// Operators for which finite differences say nothing in any of their cases: arguments outside of the domain, where values are NaN or infinite.
const UNTRIED: &[&str] = &["__rpow__", "special.entr"];

#[test]
fn derivatives_fit_their_operators_and_each_other() {
    let swept = sweep(&Golden::bundled(), 3).expect("the project's own cases can be read");
    let argued: BTreeSet<&str> = ARGUED.iter().map(|(op, _)| *op).collect();
    let (mut off, mut tried, mut wrong) = (Vec::new(), BTreeMap::<&str, bool>::new(), BTreeSet::new());
    for s in &swept {
        let tried = tried.entry(&s.op).or_default();
        match &s.verdict {
            Verdict::Holds { first, .. } => *tried |= first,
            Verdict::Off(why) | Verdict::Refused(why) => {
                wrong.insert(s.op.as_str());
                if !argued.contains(s.op.as_str()) {
                    off.push(format!("{}: {why}", s.id));
                }
            }
        }
    }
    println!("{} cases of {} operators", swept.len(), tried.len());
    assert!(off.is_empty(), "{} cases:\n{}", off.len(), off.join("\n"));
    assert_eq!(argued.difference(&wrong).collect::<Vec<_>>(), [&""; 0], "argued for, but right");
    let untried: Vec<&str> = tried.iter().filter(|(op, tried)| !**tried && !argued.contains(*op)).map(|(op, _)| *op).collect();
    assert_eq!(untried, UNTRIED, "operators that no case tried");
    assert!(tried.len() > 300, "{} operators", tried.len());
}
