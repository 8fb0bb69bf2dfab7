//! Matrix products.

use rushlight_tensor::Tensor;

use crate::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    r.tensors2("matmul", ["input", "other"], Tensor::matmul);
    r.tensors2("mm", ["input", "mat2"], Tensor::mm);
    r.tensors2("bmm", ["input", "mat2"], Tensor::bmm);
    r.alias("linalg.matmul", "matmul");
    r.op("__rmatmul__", |a| {
        let (x, y) = (a.tensor("self")?, a.tensor("other")?);
        Ok(y.matmul(&x)?)
    });
    r.op("nn.functional.linear", |a| {
        let (x, weight, bias) = (a.tensor("input")?, a.tensor("weight")?, a.opt_tensor("bias")?);
        Ok(x.linear(&weight, bias.as_ref())?)
    });
}
