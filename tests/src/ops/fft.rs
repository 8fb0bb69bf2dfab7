//! Fourier transforms.

use rushlight_tensor::fft::{self, FftNorm};
use rushlight_tensor::{DType, Istft, Result, Stft, StftPad, Tensor};

use crate::args::Args;
use crate::outcome::CaseResult;
use crate::registry::Registry;

fn norm(a: &mut Args) -> CaseResult<FftNorm> {
    let choices = [("backward", Some(FftNorm::Backward)), ("ortho", Some(FftNorm::Ortho)), ("forward", Some(FftNorm::Forward))];
    a.choice("norm", "backward", &choices)
}

/// `op(input, n=None, dim=-1, norm=None)`.
fn one(r: &mut Registry, name: &'static str, f: fn(&Tensor, Option<usize>, isize, FftNorm) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, n, dim) = (a.tensor("input")?, a.opt_size("n")?, a.int_or("dim", -1)?);
        Ok(f(&x, n, dim, norm(a)?)?)
    });
}

type Several = fn(&Tensor, Option<&[isize]>, Option<&[isize]>, FftNorm) -> Result<Tensor>;

/// `op(input, s=None, dim=None, norm=None)`.
fn several(r: &mut Registry, name: &'static str, f: Several) {
    r.op(name, move |a| {
        let (x, s, dims) = (a.tensor("input")?, a.opt_ints("s")?, a.opt_ints("dim")?);
        Ok(f(&x, s.as_deref(), dims.as_deref(), norm(a)?)?)
    });
}

fn shift(r: &mut Registry, name: &'static str, f: fn(&Tensor, Option<&[isize]>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (x, dims) = (a.tensor("input")?, a.opt_ints("dim")?);
        Ok(f(&x, dims.as_deref())?)
    });
}

fn frequencies(r: &mut Registry, name: &'static str, f: fn(usize, f64, Option<DType>) -> Result<Tensor>) {
    r.op(name, move |a| {
        let (n, d) = (a.size("n")?, a.float_or("d", 1.0)?);
        Ok(f(n, d, a.opt_dtype("dtype")?)?)
    });
}

pub(super) fn register(r: &mut Registry) {
    one(r, "fft.fft", fft::fft);
    one(r, "fft.ifft", fft::ifft);
    one(r, "fft.rfft", fft::rfft);
    one(r, "fft.irfft", fft::irfft);
    one(r, "fft.hfft", fft::hfft);
    one(r, "fft.ihfft", fft::ihfft);
    several(r, "fft.fft2", fft::fft2);
    several(r, "fft.ifft2", fft::ifft2);
    several(r, "fft.rfft2", fft::rfft2);
    several(r, "fft.irfft2", fft::irfft2);
    several(r, "fft.hfft2", fft::hfft2);
    several(r, "fft.ihfft2", fft::ihfft2);
    several(r, "fft.fftn", fft::fftn);
    several(r, "fft.ifftn", fft::ifftn);
    several(r, "fft.rfftn", fft::rfftn);
    several(r, "fft.irfftn", fft::irfftn);
    several(r, "fft.hfftn", fft::hfftn);
    several(r, "fft.ihfftn", fft::ihfftn);
    shift(r, "fft.fftshift", fft::fftshift);
    shift(r, "fft.ifftshift", fft::ifftshift);
    frequencies(r, "fft.fftfreq", |n, d, t| fft::fftfreq(n, d, (t, Default::default())));
    frequencies(r, "fft.rfftfreq", |n, d, t| fft::rfftfreq(n, d, (t, Default::default())));

    r.op("stft", |a| {
        let (x, n_fft) = (a.tensor("input")?, a.size("n_fft")?);
        let mut stft = Stft::new(n_fft);
        if let Some(hop) = a.opt_size("hop_length")? {
            stft = stft.hop_length(hop);
        }
        if let Some(length) = a.opt_size("win_length")? {
            stft = stft.win_length(length);
        }
        if let Some(window) = a.opt_tensor("window")? {
            stft = stft.window(&window);
        }
        stft = stft.center(a.bool_or("center", true)?);
        let pads = [
            ("reflect", Some(StftPad::Reflect)),
            ("replicate", Some(StftPad::Replicate)),
            ("circular", Some(StftPad::Circular)),
            ("constant", Some(StftPad::Constant)),
        ];
        stft = stft.pad_mode(a.choice("pad_mode", "reflect", &pads)?);
        stft = stft.normalized(opt_bool(a, "normalized")?.unwrap_or(false));
        if let Some(onesided) = opt_bool(a, "onesided")? {
            stft = stft.onesided(onesided);
        }
        let complex = opt_bool(a, "return_complex")?.unwrap_or(true);
        let y = stft.run(&x)?;
        Ok(if complex { y } else { y.view_as_real()? })
    });
    r.op("istft", |a| {
        let (x, n_fft) = (a.tensor("input")?, a.size("n_fft")?);
        let mut istft = Istft::new(n_fft);
        if let Some(hop) = a.opt_size("hop_length")? {
            istft = istft.hop_length(hop);
        }
        if let Some(length) = a.opt_size("win_length")? {
            istft = istft.win_length(length);
        }
        if let Some(window) = a.opt_tensor("window")? {
            istft = istft.window(&window);
        }
        istft = istft.center(a.bool_or("center", true)?).normalized(opt_bool(a, "normalized")?.unwrap_or(false));
        if let Some(onesided) = opt_bool(a, "onesided")? {
            istft = istft.onesided(onesided);
        }
        if let Some(length) = a.opt_size("length")? {
            istft = istft.length(length);
        }
        Ok(istft.return_complex(a.bool_or("return_complex", false)?).run(&x)?)
    });
}

/// A truth value, None or absent.
fn opt_bool(a: &mut Args, name: &str) -> CaseResult<Option<bool>> {
    match a.peek(name) {
        Some(crate::golden::Value::None) => a.take(name).map_or(Ok(None), |_| Ok(None)),
        None => Ok(None),
        Some(_) => a.bool_or(name, false).map(Some),
    }
}
