//! Modules by PyTorch's names: a constructor's arguments become a module, a call's arguments its results.

mod layers;
mod losses;
mod several;
mod transformers;

use std::collections::HashMap;

use rushlight_nn::{Layer, Module};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};

/// A module that can be called with recorded arguments.
pub trait Built {
    /// The module.
    fn module(&self) -> &dyn Module;
    /// Calls it: the results, lists and tuples not opened.
    ///
    /// # Errors
    /// If an argument is one that ours does not have, or the module refuses.
    fn call(&self, args: &mut Args) -> CaseResult<Vec<Value>>;
}

/// A layer: one tensor to one.
struct OfLayer(Box<dyn Layer>);

impl Built for OfLayer {
    fn module(&self) -> &dyn Module {
        &self.0
    }

    fn call(&self, args: &mut Args) -> CaseResult<Vec<Value>> {
        Ok(vec![self.0.forward(&args.tensor("input")?)?.into()])
    }
}

/// A module with a way of its own to be called.
struct Called<M> {
    module: M,
    call: fn(&M, &mut Args) -> CaseResult<Vec<Value>>,
}

impl<M: Module> Built for Called<M> {
    fn module(&self) -> &dyn Module {
        &self.module
    }

    fn call(&self, args: &mut Args) -> CaseResult<Vec<Value>> {
        (self.call)(&self.module, args)
    }
}

type LayerMaker = Box<dyn Fn(&mut Args) -> CaseResult<Box<dyn Layer>> + Send + Sync>;
type Maker = Box<dyn Fn(&mut Args) -> CaseResult<Box<dyn Built>> + Send + Sync>;

/// The table of modules: PyTorch's name to a constructor of ours. Modules are made in the default dtype.
#[derive(Default)]
pub struct Modules {
    layers: HashMap<&'static str, LayerMaker>,
    others: HashMap<&'static str, Maker>,
}

impl Modules {
    /// Every module that we have.
    pub fn all() -> Modules {
        let mut m = Modules::default();
        layers::register(&mut m);
        losses::register(&mut m);
        several::register(&mut m);
        transformers::register(&mut m);
        m
    }

    /// Adds a layer.
    fn layer<L: Layer + 'static>(&mut self, name: &'static str, make: impl Fn(&mut Args) -> CaseResult<L> + Send + Sync + 'static) {
        self.layers.insert(name, Box::new(move |a| Ok(Box::new(make(a)?))));
    }

    /// Adds a module with a way of its own to be called.
    fn other<M: Module + 'static>(
        &mut self,
        name: &'static str,
        make: impl Fn(&mut Args) -> CaseResult<Called<M>> + Send + Sync + 'static,
    ) {
        self.others.insert(name, Box::new(move |a| Ok(Box::new(make(a)?))));
    }

    /// The constructor's arguments, all taken.
    fn finished<T>(built: CaseResult<T>, args: &Args) -> CaseResult<T> {
        match (built, args.unused()) {
            (Ok(_), Some(unused)) => Err(CaseError::Missing(unused)),
            (built, _) => built,
        }
    }

    /// A layer that maps one tensor to one: its class in `torch.nn` and the arguments of its constructor.
    ///
    /// # Errors
    /// If we do not have it or one of its arguments, or it refuses them.
    pub fn build_layer(&self, class: &str, args: &mut Args) -> CaseResult<Box<dyn Layer>> {
        ignored(args);
        let make = self.layers.get(class).ok_or_else(|| CaseError::Missing(format!("layer `{class}`")))?;
        Modules::finished(make(args), args)
    }

    /// A module: its class in `torch.nn` and the arguments of its constructor.
    ///
    /// # Errors
    /// If we do not have it or one of its arguments, or it refuses them.
    pub fn build(&self, class: &str, args: &mut Args) -> CaseResult<Box<dyn Built>> {
        match self.others.get(class) {
            Some(make) => {
                ignored(args);
                Modules::finished(make(args), args)
            }
            None if self.layers.contains_key(class) => Ok(Box::new(OfLayer(self.build_layer(class, args)?))),
            None => Err(CaseError::Missing(format!("module `{class}`"))),
        }
    }
}

/// Arguments that speak of memory alone.
fn ignored(args: &mut Args) {
    args.ignore("inplace");
    args.ignore("sparse");
    args.ignore("device");
}
