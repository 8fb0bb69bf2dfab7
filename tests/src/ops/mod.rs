//! PyTorch's operators as calls of ours: one file a family, one line or one closure an operator.
//!
//! A closure takes the arguments in the order of PyTorch's signature, under its names and with its defaults. What it does not take is
//! found untaken and makes the case missing, so an argument is never silently passed over. A closure calls our API; it does not build
//! what the API lacks.

mod attention;
mod conv;
mod create;
mod embedding_bag;
mod fft;
mod index;
mod init;
mod linalg;
pub(crate) mod loss;
mod masked;
mod matmul;
mod norm;
mod pointwise;
mod pool;
pub mod random;
mod reduce;
mod resample;
mod scan;
mod shape;
mod sort;
mod special;

use crate::registry::Registry;

/// Every operator that we have.
pub fn registry() -> Registry {
    let mut r = Registry::default();
    for register in [
        pointwise::register,
        special::register,
        reduce::register,
        shape::register,
        scan::register,
        sort::register,
        index::register,
        matmul::register,
        masked::register,
        fft::register,
        linalg::register,
        create::register,
        loss::register,
        norm::register,
        conv::register,
        attention::register,
        resample::register,
        embedding_bag::register,
        random::functional,
        pool::register,
    ] {
        register(&mut r);
    }
    // Tensors are values: what PyTorch has a second time as a copy, or where the result may be changed in place, is the same here.
    for (name, of) in [
        ("alias_copy", "clone"),
        ("as_strided_copy", "as_strided"),
        ("diagonal_copy", "diagonal"),
        ("narrow_copy", "narrow"),
        ("permute_copy", "permute"),
        ("resolve_conj", "clone"),
        ("resolve_neg", "clone"),
        ("split_with_sizes_copy", "split_with_sizes"),
        ("squeeze_copy", "squeeze"),
        ("t_copy", "t"),
        ("transpose_copy", "transpose"),
        ("unbind_copy", "unbind"),
        ("unfold_copy", "unfold"),
        ("unsafe_chunk", "chunk"),
        ("unsafe_split", "split"),
        ("unsqueeze_copy", "unsqueeze"),
        ("view_copy", "view"),
    ] {
        r.alias(name, of);
    }
    r
}
