//! Which vector instructions to use, decided once at run time.
//!
//! Kernels are written once as branch-free scalar loops and compiled several times under different
//! `target_feature`s (see [`dispatch!`](crate::simd::dispatch)); the level found here picks the copy that runs.

use std::sync::atomic::{AtomicU8, Ordering};

/// A set of vector instructions, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What every machine of the target has (SSE2 on x86-64, NEON on AArch64).
    Portable = 1,
    /// AVX2 with fused multiply-add.
    Avx2 = 2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512 = 3,
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level in use: the best that the machine has, or the lower one that the environment variable
/// `RUSHLIGHT_SIMD` (`portable`, `avx2`, `avx512`) asks for.
#[inline]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => detect(),
    }
}

#[cold]
fn detect() -> Level {
    let best = hardware();
    let wanted = match std::env::var("RUSHLIGHT_SIMD").as_deref() {
        Ok("portable") => Level::Portable,
        Ok("avx2") => Level::Avx2,
        _ => Level::Avx512,
    };
    let level = best.min(wanted);
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

#[cfg(target_arch = "x86_64")]
fn hardware() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn hardware() -> Level {
    Level::Portable
}

/// Asks for elements that will be used soon: for short runs far apart, which the hardware does not foresee. Any address will do.
#[inline(always)]
pub(crate) fn expect<T>(first: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for byte in (0..len * size_of::<T>()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program can see, and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(first.cast::<i8>().wrapping_add(byte)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (first, len);
}

/// Writes a function that runs the best copy of its body for this machine.
///
/// `dispatch! { fn name<T: Bound>(arg: Type, ...) -> Ret = body_fn::<T>; }` calls `body_fn::<T, FMA>(arg, ...)`, an
/// `#[inline(always)]` function, from inside a function compiled for AVX-512, AVX2 or the portable level.
/// The const parameter `FMA` tells the body whether fused multiply-add is one instruction.
#[macro_export]
#[doc(hidden)]
macro_rules! __dispatch {
    ($(#[$m:meta])* $vis:vis fn $name:ident $(<$($g:ident : $b:path),*>)? ($($a:ident : $t:ty),* $(,)?) $(-> $r:ty)? = $body:ident;) => {
        $(#[$m])*
        $vis fn $name $(<$($g: $b),*>)? ($($a: $t),*) $(-> $r)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
                unsafe fn avx512 $(<$($g: $b),*>)? ($($a: $t),*) $(-> $r)? { $body::<$($($g,)*)? true>($($a),*) }
                #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
                unsafe fn avx2 $(<$($g: $b),*>)? ($($a: $t),*) $(-> $r)? { $body::<$($($g,)*)? true>($($a),*) }
                match $crate::simd::level() {
                    // SAFETY: `level` returns Avx512 only where the CPU has these instructions.
                    $crate::simd::Level::Avx512 => return unsafe { avx512 $(::<$($g),*>)? ($($a),*) },
                    // SAFETY: as above, for AVX2 and FMA.
                    $crate::simd::Level::Avx2 => return unsafe { avx2 $(::<$($g),*>)? ($($a),*) },
                    $crate::simd::Level::Portable => {}
                }
            }
            $body::<$($($g,)*)? false>($($a),*)
        }
    };
}
pub use crate::__dispatch as dispatch;

/// Asks for the cache line at an address, which need not be valid. The hardware's own reading ahead ends at the page.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint that reads nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}
