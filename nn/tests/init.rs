//! torch.nn.init against values that PyTorch drew for seed 42, and the number of draws.

use rushlight_nn::Parameter;
use rushlight_nn::init::{self, Fan, Nonlinearity};
use rushlight_tensor::{DType, Result, Tensor, manual_seed};

/// The first three values, the last, and what PyTorch's generator gave next.
type Recorded = ([f32; 3], f32, [i64; 2]);

fn check(name: &str, f: impl Fn(&Parameter) -> Result<()>, recorded: Recorded, tolerance: f32) -> Result<()> {
    let p = Parameter::new(Tensor::zeros([5, 7], DType::F32)?)?;
    manual_seed(42);
    f(&p)?;
    let tail = Tensor::randint(0, 65536, 2, ())?.to_vec::<i64>()?;
    let v = p.tensor().to_vec::<f32>()?;
    let close = |a: f32, b: f32| (a - b).abs() <= tolerance * b.abs();
    assert!((0..3).all(|i| close(v[i], recorded.0[i])) && close(v[34], recorded.1), "{name}: {:?}, {}", &v[..3], v[34]);
    assert_eq!(tail, recorded.2, "{name}: the numbers drawn");
    Ok(())
}

// One test: all draw from the default generator.
#[test]
fn values_are_pytorchs() -> Result<()> {
    let (uniform, normal) = ([6396, 62187], [35773, 53810]);
    check("uniform_", |p| init::uniform_(p, -0.1, 0.4), ([0.341_134_64, 0.357_501_98, 0.091_431_88], 0.068_823_87, uniform), 0.0)?;
    check("normal_", |p| init::normal_(p, 0.2, 0.02), ([0.238_538_31, 0.229_745_69, 0.218_014_34], 0.200_998_11, normal), 0.0)?;
    let r = ([0.038_538_303, 0.029_745_681, 0.018_014_343], 0.000_998_107_7, normal);
    check("trunc_normal_", |p| init::trunc_normal_(p, 0.0, 0.02, -2.0, 2.0), r, 0.0)?;
    let r = ([0.625_808_8, -0.387_991_73, 0.597_562_6], 0.149_905_38, [41523, 54268]);
    check("trunc_normal_ redrawn", |p| init::trunc_normal_(p, 0.1, 1.0, -0.5, 0.8), r, 0.0)?;
    let r = ([2.264_454_1, 2.066_613_2, 1.275_436_4], 1.638_942_1, [18227, 8680]);
    check("trunc_normal_ of the tail", |p| init::trunc_normal_(p, 0.0, 1.0, 1.2, 2.5), r, 0.0)?;
    let r = ([0.756_854_53, 0.821_665_9, -0.231_917_92], -0.321_441_08, uniform);
    check("xavier_uniform_", |p| init::xavier_uniform_(p, 1.4), r, 0.0)?;
    let r = ([0.707_993_9, 0.546_463_1, 0.330_944_66], 0.018_336_41, normal);
    check("xavier_normal_", |p| init::xavier_normal_(p, 0.9), r, 0.0)?;
    let r = ([0.833_353_6, 0.904_715_8, -0.255_359_02], -0.353_930_74, uniform);
    check("kaiming_uniform_", |p| init::kaiming_uniform_(p, Fan::Out, Nonlinearity::LeakyRelu(0.1)), r, 0.0)?;
    let r = ([1.218_688_2, 0.940_641_05, 0.569_663_6], 0.031_562_936, normal);
    check("kaiming_normal_", |p| init::kaiming_normal_(p, Fan::Out, Nonlinearity::Relu), r, 0.0)?;
    let r = ([1.213_842_6, 0.936_900_9, 0.567_398_55], 0.031_437_438, normal);
    check("kaiming_normal_ tanh", |p| init::kaiming_normal_(p, Fan::In, Nonlinearity::Tanh), r, 0.0)?;
    let r = ([0.584_383_25, 0.451_054_54, 0.273_164_1], 0.285_495_52, normal);
    check("orthogonal_", |p| init::orthogonal_(p, 1.1), r, 1e-5)?;
    check("sparse_", |p| init::sparse_(p, 0.3, 0.01), ([0.019_269_152, 0.0, 0.0], 0.0, [23483, 58822]), 0.0)?;
    check("eye_", init::eye_, ([1.0, 0.0, 0.0], 0.0, [56422, 15795]), 0.0)?;
    check("constant_", |p| init::constant_(p, 0.25), ([0.25; 3], 0.25, [56422, 15795]), 0.0)
}

#[test]
fn dirac_and_errors() -> Result<()> {
    let ones = |groups: usize| -> Result<Vec<usize>> {
        let p = Parameter::new(Tensor::zeros([8, 3, 3, 3], ())?)?;
        init::dirac_(&p, groups)?;
        Ok(p.tensor().to_vec::<f32>()?.iter().enumerate().filter(|(_, v)| **v == 1.0).map(|(i, _)| i).collect())
    };
    assert_eq!(ones(1)?, [4, 40, 76]);
    assert_eq!(ones(2)?, [4, 40, 76, 112, 148, 184]);
    assert!(ones(3).is_err());
    let vector = Parameter::new(Tensor::zeros(4, ())?)?;
    assert!(init::xavier_uniform_(&vector, 1.0).is_err() && init::orthogonal_(&vector, 1.0).is_err() && init::eye_(&vector).is_err());
    assert!(init::trunc_normal_(&vector, 0.0, 0.0, -1.0, 1.0).is_err() && init::trunc_normal_(&vector, 0.0, 1.0, 1.0, 1.0).is_err());
    Ok(())
}
