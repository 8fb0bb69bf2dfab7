//! What a field of a module may be.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use rushlight_tensor::{DType, Device, Shape};

use crate::{Buffer, Mode, Module, Momentum, Parameter, Visitor};

/// The type of a field of a module, as `#[derive(Module)]` visits it.
///
/// Modules, parameters, buffers and modes are shown to the visitor; options, lists, tuples and maps of them too. Numbers, strings and other plain values
/// are passed over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a module",
    label = "not a module, parameter, buffer, or plain value",
    note = "if it has parameters: `#[derive(Module)]` on `{Self}`",
    note = "if it is a tensor: make it a `Parameter` (learned) or a `Buffer` (state)",
    note = "if it is neither: put `#[module(skip)]` on the field"
)]
pub trait Field {
    /// Whether there can be parts in it; lists of plain values are passed over.
    const HAS_PARTS: bool = true;

    /// Shows the visitor this field under its name.
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor);
}

impl<M: Module> Field for M {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.module(name, self);
    }
}

impl Field for Parameter {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        match self.derived() {
            None => visitor.parameter(name, self),
            Some(derived) => derived.visit(name, visitor),
        }
    }
}

impl Field for Buffer {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.buffer(name, self);
    }
}

impl Field for Mode {
    fn visit_field(&self, _: &str, visitor: &mut dyn Visitor) {
        visitor.mode(self);
    }
}

impl Field for Momentum {
    fn visit_field(&self, _: &str, visitor: &mut dyn Visitor) {
        visitor.momentum(self);
    }
}

macro_rules! plain {
    ($($t:ty),*) => {$(
        impl Field for $t {
            const HAS_PARTS: bool = false;
            fn visit_field(&self, _: &str, _: &mut dyn Visitor) {}
        }
    )*};
}
plain!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
plain!(String, &'static str, DType, Device, Shape, std::time::Duration, std::path::PathBuf);

impl<T: ?Sized> Field for PhantomData<T> {
    const HAS_PARTS: bool = false;
    fn visit_field(&self, _: &str, _: &mut dyn Visitor) {}
}

impl<T: Field> Field for Option<T> {
    const HAS_PARTS: bool = T::HAS_PARTS;
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        if let Some(inner) = self {
            inner.visit_field(name, visitor);
        }
    }
}

/// A list is seen as a module whose parts are called `0`, `1`...
struct List<'a, T>(&'a [T]);

impl<T: Field> Module for List<'_, T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, item) in self.0.iter().enumerate() {
            item.visit_field(&i.to_string(), visitor);
        }
    }

    fn type_name(&self) -> &'static str {
        "ModuleList"
    }
}

macro_rules! lists {
    ($({$($generics:tt)*} $t:ty;)*) => {$(
        impl<$($generics)*> Field for $t {
            const HAS_PARTS: bool = T::HAS_PARTS;
            fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
                if T::HAS_PARTS {
                    visitor.module(name, &List(&self[..]));
                }
            }
        }
    )*};
}
lists! {
    {T: Field} Vec<T>;
    {T: Field, const N: usize} [T; N];
}

/// A map is seen as a module whose parts are called by its keys, in their order.
struct Map<'a, T>(&'a BTreeMap<String, T>);

impl<T: Field> Module for Map<'_, T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (key, item) in self.0 {
            item.visit_field(key, visitor);
        }
    }

    fn type_name(&self) -> &'static str {
        "ModuleDict"
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    const HAS_PARTS: bool = T::HAS_PARTS;
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        if T::HAS_PARTS {
            visitor.module(name, &Map(self));
        }
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),*);)*) => {$(
        impl<$($t: Field),*> Module for Tuple<'_, ($($t,)*)> {
            fn visit(&self, visitor: &mut dyn Visitor) {
                $(self.0.$i.visit_field(stringify!($i), visitor);)*
            }

            fn type_name(&self) -> &'static str {
                "ModuleList"
            }
        }

        impl<$($t: Field),*> Field for ($($t,)*) {
            const HAS_PARTS: bool = false $(|| $t::HAS_PARTS)*;
            fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
                if Self::HAS_PARTS {
                    visitor.module(name, &Tuple(self));
                }
            }
        }
    )*};
}

/// A tuple is seen as a list.
struct Tuple<'a, T>(&'a T);

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
}

/// A borrowed module is one too, so that any module can be seen as `&dyn Module`.
impl<M: Module + ?Sized> Module for &M {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }

    fn type_name(&self) -> &'static str {
        (**self).type_name()
    }

    fn extra_repr(&self) -> String {
        (**self).extra_repr()
    }

    fn address(&self) -> usize {
        (**self).address()
    }

    // These see their module as `&dyn Module`, which would go on without end.
    fn named_modules(&self) -> Vec<(String, &'static str)> {
        (**self).named_modules()
    }

    fn named_children(&self) -> Vec<(String, &'static str)> {
        (**self).named_children()
    }

    fn apply(&self, f: &mut dyn FnMut(&str, &dyn Module)) {
        (**self).apply(f);
    }
}

macro_rules! pointers {
    ($($p:ident),*) => {$(
        impl<M: Module + ?Sized> Module for $p<M> {
            fn visit(&self, visitor: &mut dyn Visitor) {
                (**self).visit(visitor);
            }

            fn type_name(&self) -> &'static str {
                (**self).type_name()
            }

            fn extra_repr(&self) -> String {
                (**self).extra_repr()
            }

            fn address(&self) -> usize {
                (**self).address()
            }
        }

        impl<M: crate::Forward + ?Sized> crate::Forward for $p<M> {
            fn forward(&self, x: &rushlight_tensor::Tensor) -> rushlight_tensor::Result<rushlight_tensor::Tensor> {
                (**self).forward(x)
            }

            fn forward_owned(&self, x: rushlight_tensor::Tensor) -> rushlight_tensor::Result<rushlight_tensor::Tensor> {
                (**self).forward_owned(x)
            }
        }
    )*};
}
pointers!(Box, Arc);
