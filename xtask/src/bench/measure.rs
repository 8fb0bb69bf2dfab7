//! How a workload is timed.

use std::time::Instant;

use rushlight::Result;

use super::Job;

/// How long.
pub(crate) struct Timing {
    /// Seconds of timed repetitions.
    pub(crate) budget: f64,
}

/// Milliseconds of one call, for each repetition.
///
/// Warm-up: at least 2 calls and 0.15 s, at most 50. A repetition is as many calls as take a millisecond (at most 1000). At least 5
/// repetitions, 3 for calls over a second, 1 for calls over ten; at most 300.
pub(crate) fn measure(job: &mut Job, timing: &Timing) -> Result<Vec<f64>> {
    let begin = Instant::now();
    let (mut fastest, mut calls) = (f64::INFINITY, 0);
    loop {
        let enough = if fastest.is_finite() && fastest > 10.0 { 1 } else { 2 };
        if calls >= enough && (begin.elapsed().as_secs_f64() >= 0.15 || calls >= 50) {
            break;
        }
        let t = Instant::now();
        job()?;
        fastest = fastest.min(t.elapsed().as_secs_f64());
        calls += 1;
    }
    let calls = (1e-3 / fastest.max(1e-9)).ceil().clamp(1.0, 1000.0) as usize;
    let least = if fastest > 10.0 {
        1
    } else if fastest > 1.0 {
        3
    } else {
        5
    };
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < least || (begin.elapsed().as_secs_f64() < timing.budget && times.len() < 300) {
        let t = Instant::now();
        for _ in 0..calls {
            job()?;
        }
        times.push(t.elapsed().as_secs_f64() / calls as f64 * 1e3);
    }
    Ok(times)
}
