//! Plans of Fourier transforms, made by rustfft and realfft and remembered.
//!
//! These crates are generic, so that their code is compiled where it is used: it is a third of what the CPU kernels would compile to. Here it is compiled
//! once, and the kernels can be changed without it.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub use realfft::{ComplexToReal, RealToComplex};
pub use rustfft::{Fft, FftNum};

use realfft::RealFftPlanner;
use rustfft::FftPlanner;

/// A real type with planners.
pub trait Planned: FftNum {
    /// Of `n` complex numbers, in place.
    fn complex(n: usize, inverse: bool) -> Arc<dyn Fft<Self>>;
    /// Of `n` real numbers to the `n / 2 + 1` complex ones that say everything.
    fn from_real(n: usize) -> Arc<dyn RealToComplex<Self>>;
    /// The way back, to `n` real numbers.
    fn to_real(n: usize) -> Arc<dyn ComplexToReal<Self>>;
}

macro_rules! planned {
    ($($t:ident, $planner:ident, $real_planner:ident;)*) => {$(
        static $planner: LazyLock<Mutex<FftPlanner<$t>>> = LazyLock::new(|| Mutex::new(FftPlanner::new()));
        static $real_planner: LazyLock<Mutex<RealFftPlanner<$t>>> = LazyLock::new(|| Mutex::new(RealFftPlanner::new()));

        impl Planned for $t {
            fn complex(n: usize, inverse: bool) -> Arc<dyn Fft<$t>> {
                let mut planner = $planner.lock().unwrap_or_else(PoisonError::into_inner);
                if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) }
            }
            fn from_real(n: usize) -> Arc<dyn RealToComplex<$t>> {
                $real_planner.lock().unwrap_or_else(PoisonError::into_inner).plan_fft_forward(n)
            }
            fn to_real(n: usize) -> Arc<dyn ComplexToReal<$t>> {
                $real_planner.lock().unwrap_or_else(PoisonError::into_inner).plan_fft_inverse(n)
            }
        }
    )*};
}
planned! {
    f32, PLANNER32, REAL_PLANNER32;
    f64, PLANNER64, REAL_PLANNER64;
}
