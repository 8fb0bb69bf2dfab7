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

/// `|conv(x, w, b)|^2` and that of the transposed convolution.
fn convolutions(x: &[Tensor]) -> Result<Tensor> {
    let [image, w, b] = [0, 2, 4].map(|i| Tensor::complex(&x[i], &x[i + 1]));
    let (image, w, b) = (image?, w?, b?);
    let square = |y: Tensor| y.view_as_real()?.square()?.sum();
    square(image.conv1d(&w, Some(&b), 2, 1, 1, 1)?)?.add(&square(image.conv_transpose1d(&w, Some(&b), 1, 0, 0, 1, 1)?)?)
}

#[test]
fn gradients_of_convolutions() -> Result<()> {
    rushlight_tensor::manual_seed(4);
    let shapes: [&[usize]; 3] = [&[1, 2, 4], &[2, 2, 3], &[2]];
    let parts: Vec<Tensor> = shapes.iter().flat_map(|s| [s, s]).map(|s| Tensor::randn(*s, DType::F64)).collect::<Result<_>>()?;
    let parts: Vec<&Tensor> = parts.iter().collect();
    gradcheck(convolutions, &parts, GradCheck::default())?;
    gradgradcheck(convolutions, &parts, GradCheck::default())
}

#[test]
fn gradients_of_products() -> Result<()> {
    rushlight_tensor::manual_seed(3);
    let parts: Vec<Tensor> = (0..4).map(|_| Tensor::randn([2, 2], DType::F64)).collect::<Result<_>>()?;
    let parts: Vec<&Tensor> = parts.iter().collect();
    gradcheck(products, &parts, GradCheck::default())?;
    gradgradcheck(products, &parts, GradCheck::default())
}
