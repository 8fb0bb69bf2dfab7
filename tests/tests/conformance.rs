//! What has passed before passes still.

use rushlight_tests::golden::Golden;
use rushlight_tests::report::{complete, details};
use rushlight_tests::run::{Selection, run};
use rushlight_tests::{outcome::Outcome, pinned};

#[test]
fn pinned_cases_pass() {
    let lines = run(&Golden::bundled(), &Selection::default()).expect("the project's own cases can be read");
    let (pinned, passing) = (pinned::read().expect("the list of pinned cases can be read"), pinned::passing(&lines));
    let lost: Vec<String> = lines
        .iter()
        .filter(|l| pinned.contains(&l.key()))
        .filter_map(|l| match &l.outcome {
            Outcome::Passed(_) => None,
            Outcome::Failed(why) | Outcome::Missing(why) => Some(format!("{}: {why}", l.key())),
        })
        .collect();
    assert!(lost.is_empty(), "{} cases passed before and do not any more:\n{}", lost.len(), lost.join("\n"));
    let gone: Vec<&String> = pinned.difference(&passing).collect();
    assert!(gone.is_empty(), "pinned, but not among the cases: {gone:?}");
    let new = passing.difference(&pinned).count();
    if new > 0 {
        println!("{new} checks pass that are not pinned yet: run `cargo xtask conformance --bless`");
    }
}

/// `golden/more` holds further cases, recorded with PyTorch 2.15 from other samples: those that were wrong or missing once.
#[test]
fn more_cases_pass() {
    let more = Golden::at(Golden::bundled().dir().join("more"));
    let lines = run(&more, &Selection::default()).expect("the further cases can be read");
    assert!(lines.len() > 300, "only {} checks", lines.len());
    assert!(complete(&lines), "{}", details(&lines));
}
