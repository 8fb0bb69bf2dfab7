//! The open variant: operations that users bring.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{MetaRef, Metas};
use crate::{Error, Result};

/// An operation of a user's own. The vocabulary knows its name alone; what it computes lies in the body, which the floors above understand.
#[derive(Clone)]
pub struct Custom {
    name: &'static str,
    body: Arc<dyn Any + Send + Sync>,
}

impl Custom {
    /// An operation with this name and body.
    pub fn new(name: &'static str, body: Arc<dyn Any + Send + Sync>) -> Custom {
        Custom { name, body }
    }

    /// The name, for error messages and pictures.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the floor that made it has put there.
    pub fn body(&self) -> &(dyn Any + Send + Sync) {
        &*self.body
    }

    /// Its shapes are known when it has run.
    pub(super) fn infer(&self, _: &[MetaRef<'_>]) -> Result<Metas> {
        Err(Error::unsupported(self.name, "a user's function has no shape rule: its results say what they are"))
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Custom({})", self.name)
    }
}
