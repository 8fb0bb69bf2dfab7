//! Schedules given as functions.

use std::fmt;

use rushlight_tensor::{Error, Result};

use super::Schedule;
use crate::Rate;

/// A factor as a function of the step's number.
type Factor = Box<dyn Fn(i64) -> f64 + Send + Sync>;

macro_rules! lambdas {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use = "nothing happens before it is put `on` an optimizer"]
        pub struct $name {
            factors: Vec<Factor>,
        }

        impl $name {
            /// The same function for all groups.
            pub fn new(factor: impl Fn(i64) -> f64 + Send + Sync + 'static) -> $name {
                $name { factors: vec![Box::new(factor)] }
            }

            /// A function for each group.
            pub fn each(factors: Vec<Box<dyn Fn(i64) -> f64 + Send + Sync>>) -> $name {
                $name { factors }
            }

            fn factor(&self, group: usize, epoch: i64) -> f64 {
                self.factors.get(group).or(self.factors.first()).map_or(1.0, |f| f(epoch))
            }

            fn check(&self, groups: usize) -> Result<()> {
                match self.factors.len() {
                    1 => Ok(()),
                    n if n == groups => Ok(()),
                    n => Err(Error::value(Self::NAME, format!("{n} functions for {groups} parameter groups"))),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} functions)"), self.factors.len())
            }
        }
    )*};
}

lambdas! {
    /// The initial rate times a function of the step's number.
    LambdaLR;
    /// Multiplies the rate, in every step but the first, by a function of the step's number.
    MultiplicativeLR;
}

impl Schedule for LambdaLR {
    const NAME: &'static str = "LambdaLR";

    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        self.check(rates.len())
    }

    fn lr(&self, epoch: i64, group: usize, _: f64, initial: f64) -> Result<f64> {
        Ok(initial * self.factor(group, epoch))
    }
}

impl Schedule for MultiplicativeLR {
    const NAME: &'static str = "MultiplicativeLR";

    fn prepare(&mut self, rates: &mut [Rate]) -> Result<()> {
        self.check(rates.len())
    }

    fn lr(&self, epoch: i64, group: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current * self.factor(group, epoch))
    }

    fn begin_lr(&self, _: usize, current: f64, _: f64) -> Result<f64> {
        Ok(current)
    }
}
