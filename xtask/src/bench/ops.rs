//! `op/*` and `autograd/*`: single operations, forward and backward.

use rushlight::autograd::{Autograd, BackwardOptions, no_grad};
use rushlight::tensor::AttentionOptions;
use rushlight::{Result, Tensor};

use super::Workload;

fn rn(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(shape, ())
}

/// `f` with recording off.
fn fwd(name: &'static str, shapes: &'static [&'static [usize]], f: impl Fn(&[Tensor]) -> Result<Tensor> + Copy + 'static) -> Workload {
    Workload::ms(name, move || {
        let inputs = shapes.iter().map(|s| rn(s)).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(move || no_grad(|| f(&inputs)).map(drop)))
    })
}

/// `f` and its backward pass from a gradient of ones to the inputs `wrt`.
fn fwdbwd(
    name: &'static str,
    inputs: impl Fn() -> Result<Vec<Tensor>> + 'static,
    wrt: &'static [usize],
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Copy + 'static,
) -> Workload {
    Workload::ms(name, move || {
        let mut inputs = inputs()?;
        for &i in wrt {
            inputs[i] = inputs[i].requires_grad()?;
        }
        let seed = f(&inputs)?.detach().ones_like()?;
        Ok(Box::new(move || {
            for &i in wrt {
                inputs[i].set_grad(None)?;
            }
            f(&inputs)?.backward_with(Some(&seed), BackwardOptions::default())
        }))
    })
}

fn randoms(shapes: &'static [&'static [usize]]) -> impl Fn() -> Result<Vec<Tensor>> {
    move || shapes.iter().map(|s| rn(s)).collect()
}

const M1: usize = 1 << 20;
const M4: usize = 1 << 22;
const M16: usize = 1 << 24;

/// The workloads of this file.
pub(super) fn workloads() -> Vec<Workload> {
    let mut all = products();
    all.extend(convolutions());
    all.extend(elements());
    all.extend(layers());
    all.extend(movement());
    all.push(Workload::us_per_op("autograd/tiny_chain", 1000.0, || {
        let x = rn(&[8])?.requires_grad()?;
        let (a, b) = (Tensor::full([8], 1.0001, ())?, Tensor::full([8], 0.001, ())?);
        Ok(Box::new(move || {
            x.set_grad(None)?;
            let mut y = x.clone();
            for _ in 0..500 {
                y = y.mul(&a)?;
                y = y.add(&b)?;
            }
            y.sum()?.backward()
        }))
    }));
    all
}

fn products() -> Vec<Workload> {
    vec![
        fwd("op/matmul_512", &[&[512, 512], &[512, 512]], |x| x[0].matmul(&x[1])),
        fwd("op/matmul_1024", &[&[1024, 1024], &[1024, 1024]], |x| x[0].matmul(&x[1])),
        fwd("op/matmul_64x784x128", &[&[64, 784], &[784, 128]], |x| x[0].matmul(&x[1])),
        fwd("op/matmul_256x4096x256", &[&[256, 4096], &[4096, 256]], |x| x[0].matmul(&x[1])),
        fwd("op/bmm_32x128x64x128", &[&[32, 128, 64], &[32, 64, 128]], |x| x[0].bmm(&x[1])),
    ]
}

fn convolutions() -> Vec<Workload> {
    vec![
        fwd("op/conv3x3_16x64x32x32/fwd", &[&[16, 64, 32, 32], &[64, 64, 3, 3]], |x| x[0].conv2d(&x[1], None, 1, 1, 1, 1)),
        fwdbwd("op/conv3x3_16x64x32x32/fwdbwd", randoms(&[&[16, 64, 32, 32], &[64, 64, 3, 3]]), &[0, 1], |x| {
            x[0].conv2d(&x[1], None, 1, 1, 1, 1)
        }),
        fwdbwd("op/conv5x5_lenet/fwdbwd", randoms(&[&[64, 1, 28, 28], &[6, 1, 5, 5]]), &[1], |x| x[0].conv2d(&x[1], None, 1, 2, 1, 1)),
        fwdbwd("op/conv1x1_16x256x16x16/fwdbwd", randoms(&[&[16, 256, 16, 16], &[64, 256, 1, 1]]), &[0, 1], |x| {
            x[0].conv2d(&x[1], None, 1, 0, 1, 1)
        }),
        fwdbwd("op/dwconv3x3_16x128x32x32/fwdbwd", randoms(&[&[16, 128, 32, 32], &[128, 1, 3, 3]]), &[0, 1], |x| {
            x[0].conv2d(&x[1], None, 1, 1, 1, 128)
        }),
        fwd("op/conv7x7s2_8x3x112x112/fwd", &[&[8, 3, 112, 112], &[64, 3, 7, 7]], |x| x[0].conv2d(&x[1], None, 2, 3, 1, 1)),
    ]
}

fn elements() -> Vec<Workload> {
    vec![
        fwd("op/add_16m", &[&[M16], &[M16]], |x| x[0].add(&x[1])),
        fwd("op/add_broadcast_1024x1024", &[&[1024, 1024], &[1024]], |x| x[0].add(&x[1])),
        fwd("op/gelu_1m", &[&[M1]], |x| x[0].gelu()),
        fwd("op/tanh_1m", &[&[M1]], |x| x[0].tanh()),
        fwd("op/exp_1m", &[&[M1]], |x| x[0].exp()),
        fwd("op/chain_4m", &[&[M4], &[M4]], |x| Ok((&x[0] * 2.0 + 1.0).tanh()? * &x[1])),
        fwd("op/sum_all_16m", &[&[M16]], |x| x[0].sum()),
        fwd("op/sum_dim0_4096x1024", &[&[4096, 1024]], |x| x[0].sum_dim(0, false)),
        fwd("op/sum_dim1_4096x1024", &[&[4096, 1024]], |x| x[0].sum_dim(1, false)),
        fwd("op/cumsum_1024x1024", &[&[1024, 1024]], |x| x[0].cumsum(-1)),
        fwd("op/argmax_1024x1024", &[&[1024, 1024]], |x| x[0].argmax_dim(-1, false)),
        Workload::ms("op/randn_1m", || Ok(Box::new(|| rn(&[M1]).map(drop)))),
    ]
}

fn layers() -> Vec<Workload> {
    vec![
        fwd("op/softmax_1024x1024/fwd", &[&[1024, 1024]], |x| x[0].softmax(-1)),
        fwdbwd("op/softmax_1024x1024/fwdbwd", randoms(&[&[1024, 1024]]), &[0], |x| x[0].softmax(-1)),
        fwdbwd("op/layernorm_2048x768/fwdbwd", randoms(&[&[2048, 768], &[768], &[768]]), &[0, 1, 2], |x| {
            x[0].layer_norm(768, Some(&x[1]), Some(&x[2]), 1e-5)
        }),
        fwd("op/sdpa_8x8x256x32/fwd", &[HEADS; 3], attend),
        fwdbwd("op/sdpa_8x8x256x32/fwdbwd", randoms(&[HEADS; 3]), &[0, 1, 2], attend),
        Workload::ms("op/batchnorm2d_32x64x32x32/fwdbwd", || {
            let x = rn(&[32, 64, 32, 32])?.requires_grad()?;
            let (w, b) = (rn(&[64])?.requires_grad()?, rn(&[64])?.requires_grad()?);
            let (mut mean, mut var) = (Tensor::zeros(64, ())?, Tensor::ones(64, ())?);
            let seed = x.detach().ones_like()?;
            Ok(Box::new(move || {
                for t in [&x, &w, &b] {
                    t.set_grad(None)?;
                }
                let y = x.batch_norm(Some(&mut mean), Some(&mut var), Some(&w), Some(&b), true, 0.1, 1e-5)?;
                y.backward_with(Some(&seed), BackwardOptions::default())
            }))
        }),
        fwdbwd("op/maxpool2x2_32x64x32x32/fwdbwd", randoms(&[&[32, 64, 32, 32]]), &[0], |x| x[0].max_pool2d(2, (), 0, 1, false)),
        fwdbwd(
            "op/cross_entropy_1024x1000/fwdbwd",
            || Ok(vec![rn(&[1024, 1000])?, Tensor::randint(0, 1000, [1024], ())?]),
            &[0],
            |x| x[0].cross_entropy(&x[1]),
        ),
        fwdbwd(
            "op/embedding_32x128_vocab10000_dim256/fwdbwd",
            || Ok(vec![rn(&[10000, 256])?, Tensor::randint(0, 10000, [32, 128], ())?]),
            &[0],
            |x| x[0].embedding(&x[1]),
        ),
    ]
}

const HEADS: &[usize] = &[8, 8, 256, 32];

fn attend(x: &[Tensor]) -> Result<Tensor> {
    x[0].scaled_dot_product_attention(&x[1], &x[2], AttentionOptions { is_causal: true, ..AttentionOptions::default() })
}

/// Values and places, recording off.
fn sorts(name: &'static str, shape: &'static [usize], f: impl Fn(&Tensor) -> Result<(Tensor, Tensor)> + Copy + 'static) -> Workload {
    Workload::ms(name, move || {
        let x = rn(shape)?;
        Ok(Box::new(move || no_grad(|| f(&x)).map(drop)))
    })
}

const MATRIX: &[usize] = &[512, 512];

fn movement() -> Vec<Workload> {
    vec![
        fwd("op/transpose_contiguous_2048x2048", &[&[2048, 2048]], |x| x[0].t()?.contiguous()),
        sorts("op/topk_1024x1000_k10", &[1024, 1000], |x| x.topk(10, -1, true)),
        sorts("op/sort_1m", &[M1], |x| x.sort(-1, false)),
        fwd("op/cat_8x512x512", &[MATRIX; 8], |x| Tensor::cat(x, 1)),
        Workload::ms("op/index_select", || {
            let (x, index) = (rn(&[100_000, 64])?, Tensor::randint(0, 100_000, [16384], ())?);
            Ok(Box::new(move || no_grad(|| x.index_select(0, &index)).map(drop)))
        }),
    ]
}
