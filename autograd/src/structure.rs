//! What functions that are differentiated take and give: one tensor, several, tensors with names, and more beside them.

use std::borrow::Borrow;

use rushlight_tensor::Tensor;

/// Arguments of a function: a tensor, a list of tensors, or a list of tensors with names (the parameters of a module). Gradients come back in the same form.
pub trait Arguments {
    /// How the function sees its arguments: `Tensor`, `[Tensor]`, `[(String, Tensor)]`.
    type View: ?Sized + Arguments<View = Self::View, Owned = Self::Owned>;
    /// The same, owned.
    type Owned: Borrow<Self::View> + Outputs;

    /// The tensors in order.
    fn tensors(&self) -> Vec<&Tensor>;

    /// Other tensors in the same places.
    fn rebuild(&self, tensors: Vec<Tensor>) -> Self::Owned;
}

impl Arguments for Tensor {
    type View = Tensor;
    type Owned = Tensor;

    fn tensors(&self) -> Vec<&Tensor> {
        vec![self]
    }

    fn rebuild(&self, mut tensors: Vec<Tensor>) -> Tensor {
        tensors.swap_remove(0)
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)*) => {$(
        impl<$($generics)*> Arguments for $list {
            type View = [Tensor];
            type Owned = Vec<Tensor>;

            fn tensors(&self) -> Vec<&Tensor> {
                self.iter().map(Borrow::borrow).collect()
            }

            fn rebuild(&self, tensors: Vec<Tensor>) -> Vec<Tensor> {
                tensors
            }
        }
    )*};
}

lists! {
    [] [Tensor];
    [] [&Tensor];
    [] Vec<Tensor>;
    [] Vec<&Tensor>;
    [const N: usize] [Tensor; N];
    [const N: usize] [&Tensor; N];
}

impl Arguments for [(String, Tensor)] {
    type View = [(String, Tensor)];
    type Owned = Vec<(String, Tensor)>;

    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().map(|(_, t)| t).collect()
    }

    fn rebuild(&self, tensors: Vec<Tensor>) -> Vec<(String, Tensor)> {
        self.iter().map(|(name, _)| name.clone()).zip(tensors).collect()
    }
}

impl Arguments for Vec<(String, Tensor)> {
    type View = [(String, Tensor)];
    type Owned = Vec<(String, Tensor)>;

    fn tensors(&self) -> Vec<&Tensor> {
        Arguments::tensors(self.as_slice())
    }

    fn rebuild(&self, tensors: Vec<Tensor>) -> Vec<(String, Tensor)> {
        Arguments::rebuild(self.as_slice(), tensors)
    }
}

/// Results of a function: a tensor, lists of tensors, tuples of all these, perhaps with [`Aux`] beside them.
pub trait Outputs: Sized {
    /// The tensors that are differentiated, in order.
    fn outputs(&self) -> Vec<&Tensor>;

    /// Other tensors in the same places; tensors that are not differentiated become what `plain` makes of them.
    fn replaced(&self, tensors: Vec<Tensor>, plain: &dyn Fn(&Tensor) -> Tensor) -> Self;
}

impl Outputs for Tensor {
    fn outputs(&self) -> Vec<&Tensor> {
        vec![self]
    }

    fn replaced(&self, mut tensors: Vec<Tensor>, _: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
        tensors.swap_remove(0)
    }
}

impl Outputs for Vec<Tensor> {
    fn outputs(&self) -> Vec<&Tensor> {
        self.iter().collect()
    }

    fn replaced(&self, tensors: Vec<Tensor>, _: &dyn Fn(&Tensor) -> Tensor) -> Vec<Tensor> {
        tensors
    }
}

impl Outputs for Vec<(String, Tensor)> {
    fn outputs(&self) -> Vec<&Tensor> {
        self.iter().map(|(_, t)| t).collect()
    }

    fn replaced(&self, tensors: Vec<Tensor>, _: &dyn Fn(&Tensor) -> Tensor) -> Vec<(String, Tensor)> {
        Arguments::rebuild(self, tensors)
    }
}

impl<const N: usize> Outputs for [Tensor; N] {
    fn outputs(&self) -> Vec<&Tensor> {
        self.iter().collect()
    }

    fn replaced(&self, tensors: Vec<Tensor>, _: &dyn Fn(&Tensor) -> Tensor) -> [Tensor; N] {
        let mut tensors = tensors.into_iter();
        std::array::from_fn(|i| tensors.next().unwrap_or_else(|| self[i].clone()))
    }
}

macro_rules! tuples {
    ($(($($part:ident $at:tt),*);)*) => {$(
        impl<$($part: Outputs),*> Outputs for ($($part,)*) {
            fn outputs(&self) -> Vec<&Tensor> {
                let mut all = Vec::new();
                $(all.append(&mut self.$at.outputs());)*
                all
            }

            fn replaced(&self, tensors: Vec<Tensor>, plain: &dyn Fn(&Tensor) -> Tensor) -> Self {
                let mut tensors = tensors.into_iter();
                ($(self.$at.replaced(tensors.by_ref().take(self.$at.outputs().len()).collect(), plain),)*)
            }
        }
    )*};
}

tuples! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

/// Nothing; for functions that have results beside it only.
impl Outputs for () {
    fn outputs(&self) -> Vec<&Tensor> {
        Vec::new()
    }

    fn replaced(&self, _: Vec<Tensor>, _: &dyn Fn(&Tensor) -> Tensor) {}
}

/// Results that are differentiated, and others that come along: PyTorch's `has_aux`. In what transforms give back the others are plain values.
///
/// ```
/// use rushlight_autograd::{Aux, value_and_grad};
/// use rushlight_tensor::Tensor;
/// let x = Tensor::new([1.0f64, 2.0])?;
/// let (Aux(loss, squares), g) = value_and_grad(|x| { let s = x.square()?; Ok(Aux(s.sum()?, s)) }, &x)?;
/// assert_eq!((loss.item::<f64>()?, squares.to_vec::<f64>()?, g.to_vec::<f64>()?), (5.0, vec![1.0, 4.0], vec![2.0, 4.0]));
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Aux<R, A>(pub R, pub A);

impl<R: Outputs, A: Outputs> Outputs for Aux<R, A> {
    fn outputs(&self) -> Vec<&Tensor> {
        self.0.outputs()
    }

    fn replaced(&self, tensors: Vec<Tensor>, plain: &dyn Fn(&Tensor) -> Tensor) -> Aux<R, A> {
        let beside = self.1.outputs().into_iter().map(plain).collect();
        Aux(self.0.replaced(tensors, plain), self.1.replaced(beside, plain))
    }
}
