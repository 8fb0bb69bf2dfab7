//! `process/*`: whole processes.

use std::process::{Command, Stdio};

use rushlight::{Error, ErrorKind, Result, Tensor};

use super::Workload;

/// The workloads of this file.
pub(super) fn workloads() -> Vec<Workload> {
    vec![Workload::ms("process/first_result", || {
        let program = std::env::current_exe().map_err(|e| Error::new(ErrorKind::Io, "bench", e.to_string()))?;
        Ok(Box::new(move || {
            let status = Command::new(&program).args(["bench", "--first-result"]).stdout(Stdio::null()).status();
            match status {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(Error::new(ErrorKind::Io, "bench", format!("the process ended with {status}"))),
                Err(e) => Err(Error::new(ErrorKind::Io, "bench", e.to_string())),
            }
        }))
    })]
}

/// What the timed process does.
pub(super) fn first_result() -> Result<()> {
    let (a, b) = (Tensor::randn([64, 64], ())?, Tensor::randn([64, 64], ())?);
    println!("{}", a.matmul(&b)?.sum()?.item::<f32>()?);
    Ok(())
}
