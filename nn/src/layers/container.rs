//! Modules made of modules.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rushlight_autograd::checkpoint;
use rushlight_tensor::{Error, Result, Tensor};

use crate::field::Field;
use crate::{Forward, Layer, Module, Parameter, Visitor};

/// Layers one after the other; they are called `0`, `1`..., or by names of their own.
///
/// ```
/// use rushlight_nn::{Forward, Linear, Module, ReLU, sequential};
/// use rushlight_tensor::Tensor;
///
/// let net = sequential![Linear::new(4, 8)?, ReLU::new(), Linear::new(8, 2)?];
/// assert_eq!(net.state_dict()[2].0, "2.weight");
/// println!("{net}");
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<(String, Box<dyn Layer>)>,
}

impl Sequential {
    /// No layers: the identity.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Adds a layer, named by its number.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // The chain reads as what it does; nothing is summed.
    pub fn add(self, layer: impl Layer + 'static) -> Sequential {
        let name = self.layers.len().to_string();
        self.add_named(name, layer)
    }

    /// Adds a layer with a name. Names should differ, and hold no dot.
    #[must_use]
    pub fn add_named(mut self, name: impl Into<String>, layer: impl Layer + 'static) -> Sequential {
        self.layers.push((name.into(), Box::new(layer)));
        self
    }

    /// Adds a layer, named by its number.
    pub fn push(&mut self, layer: Box<dyn Layer>) {
        self.layers.push((self.layers.len().to_string(), layer));
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &dyn Layer)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), &**layer))
    }
}

impl FromIterator<Box<dyn Layer>> for Sequential {
    fn from_iter<I: IntoIterator<Item = Box<dyn Layer>>>(layers: I) -> Sequential {
        let mut all = Sequential::new();
        layers.into_iter().for_each(|layer| all.push(layer));
        all
    }
}

/// A [`Sequential`] of the layers listed.
#[macro_export]
macro_rules! sequential {
    ($($layer:expr),* $(,)?) => {
        $crate::Sequential::new()$(.add($layer))*
    };
}

impl Module for Sequential {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (name, layer) in &self.layers {
            let layer: &dyn Module = &**layer;
            visitor.module(name, layer);
        }
    }

    fn type_name(&self) -> &'static str {
        "Sequential"
    }
}

impl Forward for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || match self.layers.split_first() {
            None => Ok(x.clone()),
            Some(((name, first), rest)) => {
                let y = first.forward(x).map_err(|e| in_layer(name, &**first, &e))?;
                run(rest, y)
            }
        })
    }

    fn forward_owned(&self, x: Tensor) -> Result<Tensor> {
        crate::summary::seen(self, || run(&self.layers, x))
    }
}

/// What lies between layers is given away: they may compute in its memory.
fn run(layers: &[(String, Box<dyn Layer>)], x: Tensor) -> Result<Tensor> {
    layers.iter().try_fold(x, |x, (name, layer)| layer.forward_owned(x).map_err(|e| in_layer(name, &**layer, &e)))
}

/// An error with the layer in which it occurred.
#[cold]
fn in_layer(name: &str, layer: &dyn Layer, e: &Error) -> Error {
    Error::new(e.kind(), e.op().to_owned(), format!("{} (in layer `{name}`, {})", e.message(), layer.type_name()))
}

/// Calls layers one after the other without keeping what backward needs of the inside of all but the last of `segments` parts: backward computes each again
/// ([`checkpoint`]). Parts have `layers / segments` layers, the last one those that are left as well.
///
/// # Errors
/// Those of the layers, and if there are no segments or more than layers.
///
/// ```
/// use std::sync::Arc;
/// use rushlight_autograd::Autograd;
/// use rushlight_nn::{Forward, Linear, Tanh, checkpoint_sequential, sequential};
/// # use rushlight_tensor::Tensor;
/// let layers = Arc::new(sequential![Linear::new(3, 4)?, Tanh::new(), Linear::new(4, 2)?, Tanh::new()]);
/// let x = Tensor::ones([2, 3], ())?.requires_grad()?;
/// let y = checkpoint_sequential(&layers, 2, &x)?;
/// assert_eq!(y.to_vec::<f32>()?, layers.forward(&x)?.to_vec::<f32>()?);
/// y.sum()?.backward()?;
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
pub fn checkpoint_sequential(layers: &Arc<Sequential>, segments: usize, x: &Tensor) -> Result<Tensor> {
    let n = layers.len();
    if segments == 0 || segments > n {
        return Err(Error::value("checkpoint_sequential", format!("wants from 1 to {n} segments for {n} layers, got {segments}")));
    }
    let len = n / segments;
    let last = len * (segments - 1);
    let mut x = x.clone();
    for start in (0..last).step_by(len) {
        let layers = layers.clone();
        x = checkpoint(move |x| run(&layers.layers[start..start + len], x[0].clone()), &[&x])?;
    }
    run(&layers.layers[last..], x)
}

impl fmt::Display for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}

/// A list of modules called `0`, `1`.... A `Vec` in a field does the same; this is the list as a module of its own. It derefs to a `Vec`.
#[derive(Clone, Debug, Default)]
pub struct ModuleList<T>(pub Vec<T>);

impl<T: Field> Module for ModuleList<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, item) in self.0.iter().enumerate() {
            item.visit_field(&i.to_string(), visitor);
        }
    }

    fn type_name(&self) -> &'static str {
        "ModuleList"
    }
}

impl<T> Deref for ModuleList<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for ModuleList<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> FromIterator<T> for ModuleList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> ModuleList<T> {
        ModuleList(items.into_iter().collect())
    }
}

/// Modules by name, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct ModuleDict<T>(pub Vec<(String, T)>);

impl<T> ModuleDict<T> {
    /// No modules.
    pub fn new() -> ModuleDict<T> {
        ModuleDict(Vec::new())
    }

    /// Adds a module, or replaces the one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, module: T) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = module,
            None => self.0.push((name, module)),
        }
    }

    /// The module of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, m)| m)
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(n, _)| n.as_str())
    }
}

impl<T: Field> Module for ModuleDict<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (name, module) in &self.0 {
            module.visit_field(name, visitor);
        }
    }

    fn type_name(&self) -> &'static str {
        "ModuleDict"
    }
}

impl<T, S: Into<String>> FromIterator<(S, T)> for ModuleDict<T> {
    fn from_iter<I: IntoIterator<Item = (S, T)>>(items: I) -> ModuleDict<T> {
        let mut all = ModuleDict::new();
        items.into_iter().for_each(|(name, module)| all.insert(name, module));
        all
    }
}

/// A list of parameters called `0`, `1`....
pub type ParameterList = ModuleList<Parameter>;

/// Parameters by name.
pub type ParameterDict = ModuleDict<Parameter>;
