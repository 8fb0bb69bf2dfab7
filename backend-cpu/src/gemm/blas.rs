//! Products by a BLAS library, where a cargo feature asks for one: `openblas`, `mkl`, `blis` or `accelerate`.
//!
//! The library computes tiles of the result, each on one thread, and the threads are ours: how a product is cut depends on its sizes alone, so a library
//! whose results on one thread are reproducible gives the same bits for any number of threads. (OpenBLAS is told to use one thread; MKL is linked
//! in its sequential form; BLIS uses one unless `BLIS_NUM_THREADS` says otherwise; Accelerate decides for itself.) Bits differ from library to library.
//!
//! Factors whose elements lie neither row by row nor column by column are left to the kernels of this crate, as are integers and half precision.

use std::ffi::{c_char, c_int};

// What links the library.
use blas_src as _;
use rushlight_backend::{Complex32, Complex64};

use super::Strided;
use crate::threads::par_for;

/// `xgemm_` of a library: transposes, sizes, alpha, A, B, beta, C. Matrices are column-major.
pub(crate) type Routine<T> = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const c_int,
    *const c_int,
    *const c_int,
    *const T,
    *const T,
    *const c_int,
    *const T,
    *const c_int,
    *const T,
    *mut T,
    *const c_int,
);

/// A type that the library multiplies.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    const ZERO: Self;
    const ONE: Self;
    const ROUTINE: Routine<Self>;
}

macro_rules! complex {
    ($($t:ty, $real:ty: $name:ident $routine:ident;)*) => {$(
        /// The binding's complex numbers are arrays of two, which have the layout of ours.
        ///
        /// # Safety
        /// As the library's routine.
        #[allow(clippy::too_many_arguments)]
        unsafe extern "C" fn $name(
            ta: *const c_char, tb: *const c_char, m: *const c_int, n: *const c_int, k: *const c_int, alpha: *const $t, a: *const $t,
            lda: *const c_int, b: *const $t, ldb: *const c_int, beta: *const $t, c: *mut $t, ldc: *const c_int,
        ) {
            // SAFETY: as the caller promises.
            unsafe { blas_sys::$routine(ta, tb, m, n, k, alpha.cast(), a.cast(), lda, b.cast(), ldb, beta.cast(), c.cast(), ldc) }
        }

        impl Element for $t {
            const ZERO: Self = <$t>::new(0.0, 0.0);
            const ONE: Self = <$t>::new(1.0, 0.0);
            const ROUTINE: Routine<Self> = $name;
        }
    )*};
}

complex! {
    Complex32, f32: single cgemm_;
    Complex64, f64: double zgemm_;
}

impl Element for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const ROUTINE: Routine<Self> = blas_sys::sgemm_;
}

impl Element for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const ROUTINE: Routine<Self> = blas_sys::dgemm_;
}

/// Multiplications of a tile at least, where a product is cut, and the tiles at most.
const TASK: usize = 1 << 21;
const TASKS: usize = 8;

/// The library's name.
pub(crate) const NAME: &str = if cfg!(feature = "openblas") {
    "openblas"
} else if cfg!(feature = "mkl") {
    "mkl"
} else if cfg!(feature = "blis") {
    "blis"
} else if cfg!(feature = "accelerate") {
    "accelerate"
} else {
    "blas"
};

/// How a factor is given to the library: whether it is transposed, and its leading dimension.
///
/// `inner` and `outer` are length and step along the columns that a column-major matrix of the wanted shape has side by side.
fn described(inner: (usize, isize), outer: (usize, isize)) -> Option<(c_char, c_int)> {
    let leading = |fast: (usize, isize), slow: (usize, isize)| {
        let fits = fast.1 == 1 || fast.0 == 1;
        let step = if slow.0 == 1 { fast.0 } else { usize::try_from(slow.1).ok()? };
        (fits && step >= fast.0.max(1)).then(|| c_int::try_from(step).ok())?
    };
    match leading(inner, outer) {
        Some(ld) => Some((b'N' as c_char, ld)),
        None => Some((b'T' as c_char, leading(outer, inner)?)),
    }
}

/// One thread for the library, from the first call on.
fn prepare() {
    #[cfg(feature = "openblas")]
    {
        unsafe extern "C" {
            fn openblas_set_num_threads(n: c_int);
        }
        static ONCE: std::sync::Once = std::sync::Once::new();
        // SAFETY: a plain setting of the library, made once.
        ONCE.call_once(|| unsafe { openblas_set_num_threads(1) });
    }
}

/// Pieces of `len`, of nearly equal length: their number, and where a piece begins.
fn begin(len: usize, pieces: usize, piece: usize) -> usize {
    piece * len / pieces
}

/// The pieces in which rows and columns are cut.
fn cut(m: usize, n: usize, k: usize) -> (usize, usize) {
    let (mut down, mut across) = (1, 1);
    while down * across < TASKS && m * n * k / (2 * down * across) >= TASK {
        if m / down >= n / across { down *= 2 } else { across *= 2 }
    }
    (down.min(m), across.min(n))
}

/// A product for the library, whose factors have been described.
pub(crate) struct Product<'a, T> {
    m: usize,
    n: usize,
    k: usize,
    a: Strided<'a, T>,
    b: Strided<'a, T>,
    /// Of A and B.
    forms: [(c_char, c_int); 2],
}

impl<'a, T: Element> Product<'a, T> {
    /// C = A B, if the library can read the factors and there is something to multiply.
    pub(crate) fn new(m: usize, n: usize, k: usize, a: Strided<'a, T>, b: Strided<'a, T>) -> Option<Self> {
        if m == 0 || n == 0 || k == 0 || [m, n, k].iter().any(|&s| c_int::try_from(s).is_err()) || !a.covers(m, k) || !b.covers(n, k) {
            return None;
        }
        // The library sees C^T = B^T A^T: B^T is n x k, A^T is k x m.
        let forms = [described((k, a.k_step), (m, a.line_step))?, described((n, b.line_step), (k, b.k_step))?];
        Some(Product { m, n, k, a, b, forms })
    }

    /// Computes it, or adds it to what is there. Rows of C are `step` apart, its columns side by side.
    ///
    /// # Safety
    /// Rows of n elements at `c`, `c + step`... lie in memory that the caller may write and nobody else uses meanwhile; they do not overlap; if
    /// it accumulates they are initialised.
    pub(crate) unsafe fn run(&self, c: *mut T, step: usize, accumulate: bool) -> bool {
        let Ok(ldc) = c_int::try_from(step.max(self.n)) else { return false };
        prepare();
        let (down, across) = cut(self.m, self.n, self.k);
        let place = Place(c);
        par_for(down * across, |task| {
            let place = &place;
            let (i, j) = (task % down, task / down);
            let (i, rows) = (begin(self.m, down, i), begin(self.m, down, i + 1) - begin(self.m, down, i));
            let (j, columns) = (begin(self.n, across, j), begin(self.n, across, j + 1) - begin(self.n, across, j));
            let [m, n, k] = [rows, columns, self.k].map(|s| s as c_int);
            let beta = if accumulate { T::ONE } else { T::ZERO };
            // SAFETY: `new` has checked that all elements of both factors lie in their memory and that the sizes fit; the caller answers for C; tiles do
            // not overlap.
            unsafe {
                (T::ROUTINE)(
                    &self.forms[1].0,
                    &self.forms[0].0,
                    &n,
                    &m,
                    &k,
                    &T::ONE,
                    self.b.data.as_ptr().add(self.b.at(j, 0)),
                    &self.forms[1].1,
                    self.a.data.as_ptr().add(self.a.at(i, 0)),
                    &self.forms[0].1,
                    &beta,
                    place.0.add(i * step + j),
                    &ldc,
                );
            }
        });
        true
    }
}

/// The output, which tasks share.
struct Place<T>(*mut T);

// SAFETY: tasks write to different tiles; the caller of `Product::run` answers for the memory.
unsafe impl<T: Send> Sync for Place<T> {}
