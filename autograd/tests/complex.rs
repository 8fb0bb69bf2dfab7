//! Complex products: the gradient of a real function of them against finite differences in the real and imaginary parts.

use rushlight_autograd::{GradCheck, gradcheck, gradgradcheck};
use rushlight_tensor::{DType, Result, Tensor};

/// `|a b|^2` and `|a w^T|^2` of complex matrices given by their parts.
fn products(x: &[Tensor]) -> Result<Tensor> {
    let (a, b) = (Tensor::complex(&x[0], &x[1])?, Tensor::complex(&x[2], &x[3])?);
    let product = a.matmul(&b)?.view_as_real()?.square()?.sum()?;
    let linear = a.linear(&b.t()?, None)?.mul(&a)?.view_as_real()?.square()?.sum()?;
    product.add(&linear)
}

#[test]
fn gradients_of_products() -> Result<()> {
    rushlight_tensor::manual_seed(3);
    let parts: Vec<Tensor> = (0..4).map(|_| Tensor::randn([2, 2], DType::F64)).collect::<Result<_>>()?;
    let parts: Vec<&Tensor> = parts.iter().collect();
    gradcheck(products, &parts, GradCheck::default())?;
    gradgradcheck(products, &parts, GradCheck::default())
}
