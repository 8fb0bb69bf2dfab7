//! What came of a check.

use rushlight_tensor::{Error, ErrorKind};

/// What came of one check of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As recorded. A reason where it is not plain why.
    Passed(Option<&'static str>),
    /// Not as recorded.
    Failed(String),
    /// We do not have the operator, or one of its arguments.
    Missing(String),
}

/// Why a case came to no result.
#[derive(Clone, Debug)]
pub enum CaseError {
    /// We do not have the operator, or one of its arguments.
    Missing(String),
    /// An argument is of a kind that ours cannot be (a list for a number). If PyTorch's own parser refuses it as well, nothing is missing.
    Kind(String),
    /// Our types rule the call out (a string for a number, a negative size), so that nobody can write it.
    Untypable(String),
    /// Our call returned an error.
    Refused(Error),
    /// It went wrong in another way.
    Failed(String),
}

/// The result of a case's call.
pub type CaseResult<T> = Result<T, CaseError>;

impl CaseError {
    /// As the outcome of a check that wanted a result.
    pub fn outcome(self) -> Outcome {
        match self {
            CaseError::Missing(why) | CaseError::Kind(why) | CaseError::Untypable(why) => Outcome::Missing(why),
            CaseError::Refused(e) => Outcome::Failed(format!("error: {e}")),
            CaseError::Failed(why) => Outcome::Failed(why),
        }
    }
}

impl From<Error> for CaseError {
    fn from(e: Error) -> CaseError {
        // What no backend does is not there, whatever was asked.
        if e.kind() == ErrorKind::Unsupported { CaseError::Missing(e.to_string()) } else { CaseError::Refused(e) }
    }
}

impl From<String> for CaseError {
    fn from(why: String) -> CaseError {
        CaseError::Failed(why)
    }
}

/// An outcome from a result.
pub fn outcome_of(result: CaseResult<()>) -> Outcome {
    result.map_or_else(CaseError::outcome, |()| Outcome::Passed(None))
}
