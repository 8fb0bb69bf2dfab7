//! What an optimizer's options are, and how one is declared.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{Error, Result};

use crate::group::Group;

/// An option as a value of a checkpoint, and back.
pub(crate) trait OptionValue: Sized {
    fn to_value(&self) -> Value;
    fn of_value(value: &Value) -> Option<Self>;
}

impl OptionValue for f64 {
    fn to_value(&self) -> Value {
        Value::Float(*self)
    }
    fn of_value(value: &Value) -> Option<f64> {
        value.as_float()
    }
}

impl OptionValue for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn of_value(value: &Value) -> Option<bool> {
        value.as_bool()
    }
}

impl OptionValue for usize {
    fn to_value(&self) -> Value {
        (*self).into()
    }
    fn of_value(value: &Value) -> Option<usize> {
        value.as_int().and_then(|i| usize::try_from(i).ok())
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::None, T::to_value)
    }
    fn of_value(value: &Value) -> Option<Option<T>> {
        if let Value::None = value { Some(None) } else { T::of_value(value).map(Some) }
    }
}

impl<A: OptionValue, B: OptionValue> OptionValue for (A, B) {
    fn to_value(&self) -> Value {
        Value::Tuple(vec![self.0.to_value(), self.1.to_value()])
    }
    fn of_value(value: &Value) -> Option<(A, B)> {
        if let [a, b] = value.as_list()? { Some((A::of_value(a)?, B::of_value(b)?)) } else { None }
    }
}

impl<A: OptionValue, B: OptionValue, C: OptionValue> OptionValue for (A, B, C) {
    fn to_value(&self) -> Value {
        Value::Tuple(vec![self.0.to_value(), self.1.to_value(), self.2.to_value()])
    }
    fn of_value(value: &Value) -> Option<(A, B, C)> {
        if let [a, b, c] = value.as_list()? { Some((A::of_value(a)?, B::of_value(b)?, C::of_value(c)?)) } else { None }
    }
}

/// The options of a group by their names. [`optimizer!`] writes this.
pub(crate) trait Named {
    fn list(&self) -> Vec<(&'static str, Value)>;
    /// Options that we do not have are passed over; `None` says that the value has the wrong type.
    fn set(&mut self, name: &str, value: &Value) -> Option<()>;
    fn lr(&self) -> f64;
    fn set_lr(&mut self, lr: f64);
}

/// An optimizer's rule: what it does to a group with options of this type.
pub(crate) trait Rule: Copy + Named {
    /// PyTorch's name, for messages.
    const NAME: &'static str;
    /// The names of the state tensors that a parameter may have.
    const STATES: &'static [&'static str];
    /// The names of the state numbers that a parameter may have.
    const SCALARS: &'static [&'static str] = &[];
    /// Whether the number of steps is part of the state.
    const COUNTS: bool = true;

    /// An error if an option is out of range.
    fn check(&self) -> Result<()>;

    /// One step over the parameters of the group that have a gradient.
    fn step(group: &mut Group<Self>) -> Result<()>;

    /// The momentum, or the first beta.
    fn momentum(&self) -> Option<f64> {
        None
    }

    fn set_momentum(&mut self, _momentum: f64) {}
}

/// An error if a number is negative or NaN.
pub(crate) fn not_negative(optimizer: &'static str, name: &str, x: f64) -> Result<()> {
    if x >= 0.0 { Ok(()) } else { Err(Error::value(optimizer, format!("invalid {name}: {x}"))) }
}

/// An error if a decay does not lie in 0 to 1.
pub(crate) fn check_betas(optimizer: &'static str, betas: (f64, f64)) -> Result<()> {
    for (i, beta) in [betas.0, betas.1].into_iter().enumerate() {
        if !(0.0..1.0).contains(&beta) {
            return Err(Error::value(optimizer, format!("invalid beta parameter at index {i}: {beta}")));
        }
    }
    Ok(())
}

/// Declares an optimizer: its options with their defaults, its builder, and everything but its rule.
macro_rules! optimizer {
    (
        $(#[$doc:meta])*
        $name:ident, $builder:ident, $options:ident, lr = $lr:expr => {
            $($(#[$optdoc:meta])* $opt:ident: $t:ty = $default:expr;)*
        }
    ) => {
        #[doc = concat!("The options of [`", stringify!($name), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $options {
            #[doc = concat!("The step size. PyTorch's default is ", stringify!($lr), ".")]
            pub lr: f64,
            $($(#[$optdoc])* pub $opt: $t,)*
        }

        impl Default for $options {
            fn default() -> $options {
                $options { lr: $lr, $($opt: $default,)* }
            }
        }

        impl $crate::options::Named for $options {
            fn list(&self) -> Vec<(&'static str, rushlight_nn::checkpoint::Value)> {
                use $crate::options::OptionValue;
                vec![("lr", self.lr.to_value()), $((stringify!($opt), self.$opt.to_value()),)*]
            }
            fn set(&mut self, name: &str, value: &rushlight_nn::checkpoint::Value) -> Option<()> {
                use $crate::options::OptionValue;
                match name {
                    "lr" => self.lr = f64::of_value(value)?,
                    $(stringify!($opt) => self.$opt = <$t>::of_value(value)?,)*
                    _ => {}
                }
                Some(())
            }
            fn lr(&self) -> f64 {
                self.lr
            }
            fn set_lr(&mut self, lr: f64) {
                self.lr = lr;
            }
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            groups: Vec<$crate::Group<$options>>,
        }

        #[doc = concat!("The options of [`", stringify!($name), "`] while it is being made.")]
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder {
            params: Vec<rushlight_nn::Parameter>,
            options: $options,
            groups: Vec<(Vec<rushlight_nn::Parameter>, $options)>,
        }

        impl $name {
            /// Begins an optimizer of these parameters.
            #[allow(clippy::new_ret_no_self)]
            pub fn new(params: impl Into<Vec<rushlight_nn::Parameter>>, lr: f64) -> $builder {
                $builder { params: params.into(), options: $options { lr, ..$options::default() }, groups: Vec::new() }
            }

            /// The parameter groups.
            pub fn groups(&self) -> &[$crate::Group<$options>] {
                &self.groups
            }

            /// The parameter groups, whose options may be changed between steps.
            pub fn groups_mut(&mut self) -> &mut [$crate::Group<$options>] {
                &mut self.groups
            }

            /// Adds a group of parameters with options of its own: PyTorch's `add_param_group`.
            ///
            /// # Errors
            /// If a parameter is in the optimizer already, or an option is out of range; nothing is added then.
            pub fn add_group(&mut self, params: impl Into<Vec<rushlight_nn::Parameter>>, options: $options) -> rushlight_tensor::Result<()> {
                self.groups.push($crate::Group::new(params.into(), options));
                let checked = $crate::group::check(&self.groups);
                if checked.is_err() {
                    self.groups.pop();
                }
                checked
            }
        }

        impl $builder {
            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: $t) -> Self {
                    self.options.$opt = $opt;
                    self
                }
            )*

            /// One more group of parameters with options of its own.
            pub fn group(mut self, params: impl Into<Vec<rushlight_nn::Parameter>>, options: $options) -> Self {
                self.groups.push((params.into(), options));
                self
            }

            /// The optimizer.
            ///
            /// # Errors
            /// If there are no parameters, one is listed twice, or an option is out of range.
            pub fn build(self) -> rushlight_tensor::Result<$name> {
                let mut groups = Vec::new();
                if !self.params.is_empty() || self.groups.is_empty() {
                    groups.push($crate::Group::new(self.params, self.options));
                }
                groups.extend(self.groups.into_iter().map(|(p, o)| $crate::Group::new(p, o)));
                $crate::group::check(&groups)?;
                Ok($name { groups })
            }
        }

        impl $crate::Optimizer for $name {
            fn step(&mut self) -> rushlight_tensor::Result<()> {
                self.groups.iter_mut().try_for_each(<$options as $crate::options::Rule>::step)
            }

            fn params(&self) -> Vec<rushlight_nn::Parameter> {
                self.groups.iter().flat_map(|g| g.params.iter().cloned()).collect()
            }

            fn rates(&self) -> Vec<$crate::Rate> {
                self.groups.iter().map($crate::group::rate).collect()
            }

            fn set_rates(&mut self, rates: &[$crate::Rate]) {
                self.groups.iter_mut().zip(rates).for_each(|(g, r)| $crate::group::set_rate(g, r));
            }

            fn state_dict(&self) -> rushlight_tensor::Result<rushlight_nn::checkpoint::Value> {
                $crate::state::save(&self.groups)
            }

            fn load_state_dict(&mut self, state: &rushlight_nn::checkpoint::Value) -> rushlight_tensor::Result<()> {
                $crate::state::load(&mut self.groups, state)
            }
        }
    };
}
pub(crate) use optimizer;
