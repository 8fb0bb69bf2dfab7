//! Profiles: what is counted, and that times add up.

use std::time::Duration;

use rushlight_tensor::{Tensor, profile};

/// Profiles see every thread, so the tests of this file are one.
#[test]
fn counts_times_and_traces() {
    let (x, w) = (Tensor::ones([8, 3, 10, 10], ()).unwrap(), Tensor::ones([4, 3, 3, 3], ()).unwrap());
    let a = Tensor::ones([32, 16], ()).unwrap();
    let (_, p) = profile(|| {
        x.conv2d(&w, None, 1, 1, 1, 1).unwrap();
        for _ in 0..3 {
            a.matmul(&a.t().unwrap()).unwrap().exp().unwrap();
        }
    });
    let line = |name: &str| p.lines().into_iter().find(|l| l.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", p.lines()));
    assert_eq!((line("matmul").calls, line("matmul").flops), (3, 3 * 2 * 32 * 16 * 32));
    assert_eq!((line("exp").calls, line("exp").bytes), (3, 3 * 2 * 32 * 32 * 4));
    assert_eq!(line("conv2d").flops, 2 * 8 * 4 * 10 * 10 * 3 * 3 * 3);
    assert_eq!(line("permute").flops, 0);
    let own: Duration = p.events.iter().map(|e| e.own).sum();
    assert!(own <= p.wall && p.events.iter().all(|e| e.own <= e.total && e.start + e.total <= p.wall));
    assert!(p.peak_memory() >= 8 * 3 * 10 * 10 * 4);
    assert_eq!(p.lines().iter().map(|l| l.peak_memory).max(), Some(p.peak_memory()));
    let table = p.table();
    assert!(table.contains("matmul") && table.contains("GFLOP/s") && table.lines().count() == p.lines().len() + 3, "{table}");
    let trace = p.chrome_trace();
    assert_eq!(trace.matches("\"ph\":\"X\"").count(), p.events.len());
    assert_eq!(trace.matches("\"ph\":\"C\"").count(), p.events.len());
    assert!(trace.starts_with("{\"traceEvents\":[") && trace.contains("\"shapes\":\"[[32, 16], [16, 32]]\""));
    // One inside of another sees its part, the outer one all.
    let (inner, p) = profile(|| {
        a.sin().unwrap();
        let (_, inner) = profile(|| a.cos().unwrap());
        a.tan().unwrap();
        inner
    });
    let names = |p: &rushlight_tensor::Profile| p.events.iter().map(|e| e.name).collect::<Vec<_>>();
    assert_eq!((names(&inner), names(&p)), (vec!["cos"], vec!["sin", "cos", "tan"]));
    assert!(inner.events.iter().all(|e| e.start + e.total <= inner.wall) && inner.wall <= p.wall);
    // Nothing is seen outside, and an operation that fails leaves nothing behind.
    a.exp().unwrap();
    let (result, p) = profile(|| a.matmul(&a));
    assert!(result.is_err() && p.events.is_empty());
}
