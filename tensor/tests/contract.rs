//! The contract between the door and backends, with a backend that this crate does not know: its memory is a type of its own, and it declines every composite
//! operation.

use std::any::Any;

use rushlight_backend::op::Matmul;
use rushlight_backend::{Arg, Backend, Buffer, Error, Meta, Op, Result, Storage, Storages};
use rushlight_backend_cpu::CPU;
use rushlight_tensor::{DType, Device, ErrorKind, Tensor};

#[derive(Debug)]
struct Remote;

static REMOTE: Remote = Remote;

/// Memory that the host cannot read: the CPU backend refuses it.
struct RemoteBuffer(Storage);

impl Buffer for RemoteBuffer {
    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

fn inner(storage: &Storage) -> Result<&Storage> {
    let any: &dyn Any = &**storage;
    any.downcast_ref::<RemoteBuffer>().map(|b| &b.0).ok_or_else(|| Error::device("remote:0", "got memory of another device"))
}

impl Backend for Remote {
    fn name(&self) -> &str {
        "remote:0"
    }
    fn upload(&self, bytes: &[u8]) -> Result<Storage> {
        Ok(Storage::new(RemoteBuffer(CPU.upload(bytes)?)))
    }
    fn download(&self, storage: &Storage, offset: usize, out: &mut [u8]) -> Result<()> {
        CPU.download(inner(storage)?, offset, out)
    }
    fn run(&self, op: &Op, inputs: &mut [Arg<'_>], outputs: &[Meta]) -> Result<Option<Storages>> {
        if matches!(op, Op::Loss(_) | Op::Matmul(Matmul::Linear)) {
            return Ok(None);
        }
        let mut args = Vec::new();
        for x in inputs.iter() {
            args.push(Arg::borrowed(inner(x.storage()?)?, x.layout(), x.dtype()));
        }
        let results = CPU.run(op, &mut args, outputs)?;
        Ok(results.map(|r| r.into_iter().map(|s| Storage::new(RemoteBuffer(s))).collect()))
    }
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
}

fn remote() -> Device {
    Device::new(&REMOTE)
}

#[test]
fn a_foreign_backend_runs_composite_operations_by_decomposition() -> Result<()> {
    let host = [
        Tensor::new([[1.0f32, -2.0, 0.5], [0.25, 3.0, -1.0]])?,
        Tensor::new([[0.5f32, 1.0, -1.0], [2.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, -1.0, 2.0]])?,
        Tensor::new([0.1f32, 0.2, 0.3, 0.4])?,
    ];
    let there = host.iter().map(|t| t.to_device(remote())).collect::<Result<Vec<_>>>()?;
    let run = |t: &[Tensor], targets: &Tensor| -> Result<Vec<f32>> {
        let logits = t[0].linear(&t[1], Some(&t[2]))?;
        let loss = logits.cross_entropy(targets)?;
        let mut values = logits.t()?.contiguous()?.to_vec::<f32>()?;
        values.push(loss.item()?);
        Ok(values)
    };
    let targets = Tensor::new([3i64, 0])?;
    let (here, remote_values) = (run(&host, &targets)?, run(&there, &targets.to_device(remote())?)?);
    for (a, b) in here.iter().zip(&remote_values) {
        assert!((a - b).abs() < 1e-6, "{here:?} {remote_values:?}");
    }
    assert_eq!(there[0].device().name(), "remote:0");
    assert_eq!(there[0].to_device(Device::cpu())?.to_vec::<f32>()?, host[0].to_vec::<f32>()?);
    Ok(())
}

#[test]
fn devices_do_not_mix() -> Result<()> {
    let (a, b) = (Tensor::ones([2], ())?, Tensor::ones([2], remote())?);
    let error = a.add(&b).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert_eq!(error.to_string(), "add: tensors are on different devices, cpu and remote:0: move them with `to_device`");
    Ok(())
}

#[cfg(not(feature = "cuda"))]
#[test]
fn cuda_without_the_feature_is_an_error() {
    assert!(Device::cuda(0).unwrap_err().to_string().contains("build with the cargo feature `cuda`"));
}

/// Memory is reused only when it was given away and nobody else holds it.
#[test]
fn nothing_that_somebody_holds_is_overwritten() -> Result<()> {
    let x = Tensor::new([1.0f32, 2.0, 3.0])?;
    let y = x.clone();
    let sum = x + 1.0; // x is given away, but y is the same tensor
    assert_eq!((y.to_vec::<f32>()?, sum.to_vec::<f32>()?), (vec![1.0, 2.0, 3.0], vec![2.0, 3.0, 4.0]));

    let base = Tensor::arange(0, 6, 1, DType::F32)?;
    let view = base.slice(0, 2, 4, 1)?;
    let doubled = view * 2.0; // the view shares memory with base
    assert_eq!(base.to_vec::<f32>()?, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(doubled.to_vec::<f32>()?, [4.0, 6.0]);

    let alone = Tensor::new([1.0f32, 2.0])?;
    let place = alone.storage().address();
    let result = alone * 3.0 + 1.0;
    assert_eq!(result.storage().address(), place, "nobody else holds it: its memory is reused");
    assert_eq!(result.to_vec::<f32>()?, [4.0, 7.0]);

    let mut filled = base.clone();
    filled.fill(7.0)?;
    assert_eq!((base.to_vec::<f32>()?[0], filled.to_vec::<f32>()?[0]), (0.0, 7.0));
    Ok(())
}

#[test]
fn errors_name_the_operation_what_it_got_and_what_it_wanted() -> Result<()> {
    let message = |r: Result<Tensor>| r.unwrap_err().to_string();
    let (a, b) = (Tensor::zeros([2, 3], ())?, Tensor::zeros([4, 2], ())?);
    assert_eq!(message(a.matmul(&b)), "matmul: shapes [2, 3] and [4, 2] cannot be multiplied: the inner sizes 3 and 4 differ");
    assert_eq!(message(a.add(&b)), "add: shapes [2, 3] and [4, 2] cannot be broadcast together: sizes 2 and 4 meet in dimension 0");
    assert_eq!(message(a.reshape([4, -1])), "reshape: 6 elements of shape [2, 3] do not fill [4, -1]");
    assert_eq!(message(a.permute([0, 0])), "permute: dimension 0 is named twice in [0, 0]");
    assert_eq!(message(a.sum_dim(2, false)), "sum: dimension 2 is out of range for a tensor of 2 dimensions: wanted -2 to 1");
    assert_eq!(
        message(a.t()?.view(6)),
        "view: a tensor of shape [3, 2] and strides [1, 3] cannot be seen as [6] without a copy: use `reshape`"
    );
    assert_eq!(message(a.to_dtype(DType::I64)?.mean()), "mean: wants a floating-point tensor, got int64: convert it first");
    assert_eq!(message(a.cross_entropy(&Tensor::new([0i64, 5])?)), "cross_entropy: target 5 is none of 3 classes");
    let index = Tensor::new([0i64, 2])?;
    assert!(message(a.index_select(0, &index)).starts_with("index_select: "));
    assert_eq!(a.to_vec::<f64>().unwrap_err().to_string(), "to_vec: the tensor is float32, asked for float64: convert it with `to_dtype`");
    assert_eq!(a.item::<f32>().unwrap_err().to_string(), "item: a tensor of shape [2, 3] has 6 elements, wanted one");
    let too_large = Tensor::zeros([1usize << 40, 1 << 40], ()).unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::OutOfMemory);
    let panicked = std::panic::catch_unwind(|| &a + &b).unwrap_err();
    assert!(panicked.downcast_ref::<String>().unwrap().starts_with("add: shapes [2, 3] and [4, 2]"));
    Ok(())
}
