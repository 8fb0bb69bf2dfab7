//! Short-time Fourier transforms: `torch.stft` and `torch.istft`.

use rushlight_backend::{Complex64, DType, Error, Result};

use super::fft::{self, FftNorm};
use crate::Tensor;

/// How a signal goes on beyond its ends, so that the first frame can be centred on its first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StftPad {
    /// Mirrored; the end itself is not repeated.
    #[default]
    Reflect,
    /// The last sample again and again.
    Replicate,
    /// From the other end.
    Circular,
    /// Zeros.
    Constant,
}

/// What both transforms have in common.
#[derive(Clone, Debug)]
struct Frames {
    op: &'static str,
    n_fft: usize,
    hop: Option<usize>,
    win_length: Option<usize>,
    window: Option<Tensor>,
    center: bool,
    normalized: bool,
    onesided: Option<bool>,
}

macro_rules! setters {
    () => {
        /// The distance between frames; by default a quarter of `n_fft`.
        pub fn hop_length(mut self, hop: usize) -> Self {
            self.frames.hop = Some(hop);
            self
        }

        /// The length of the window, which stands in the middle of a frame; by default `n_fft`.
        pub fn win_length(mut self, length: usize) -> Self {
            self.frames.win_length = Some(length);
            self
        }

        /// What each frame is multiplied by; by default ones.
        pub fn window(mut self, window: &Tensor) -> Self {
            self.frames.window = Some(window.clone());
            self
        }

        /// Whether frame t is centred on sample `t * hop_length` (the default) or begins with it.
        pub fn center(mut self, center: bool) -> Self {
            self.frames.center = center;
            self
        }

        /// Whether the transform is divided by the root of `n_fft`; by default not.
        pub fn normalized(mut self, normalized: bool) -> Self {
            self.frames.normalized = normalized;
            self
        }

        /// Whether only the first `n_fft / 2 + 1` frequencies are given; by default if everything is real.
        pub fn onesided(mut self, onesided: bool) -> Self {
            self.frames.onesided = Some(onesided);
            self
        }
    };
}

impl Frames {
    fn new(op: &'static str, n_fft: usize) -> Frames {
        Frames { op, n_fft, hop: None, win_length: None, window: None, center: true, normalized: false, onesided: None }
    }

    fn bad(&self, text: String) -> Error {
        Error::value(self.op, text)
    }

    fn hop(&self) -> Result<usize> {
        match self.hop.unwrap_or(self.n_fft / 4) {
            0 => Err(self.bad("the distance between frames must not be 0".to_string())),
            n => Ok(n),
        }
    }

    /// The window in the middle of a frame, zeros around it.
    fn padded_window(&self, like: &Tensor, real: DType) -> Result<Tensor> {
        let length = self.win_length.unwrap_or(self.n_fft);
        if length == 0 || length > self.n_fft {
            return Err(self.bad(format!("the window's length {length} does not lie between 1 and n_fft = {}", self.n_fft)));
        }
        let window = match &self.window {
            Some(w) if w.shape() == [length] => w.clone(),
            Some(w) => return Err(Error::shape(self.op, format!("wants a window of {length} elements, got shape {:?}", w.shape()))),
            None => Tensor::ones(length, (real, like.device()))?,
        };
        let left = (self.n_fft - length) / 2;
        let zeros = |n: usize| Tensor::zeros(n, (window.dtype(), window.device()));
        Tensor::cat(&[zeros(left)?, window.clone(), zeros(self.n_fft - length - left)?], 0)
    }

    fn norm(&self) -> FftNorm {
        if self.normalized { FftNorm::Ortho } else { FftNorm::Backward }
    }
}

/// `torch.stft`: Fourier transforms of frames of a signal.
///
/// ```
/// # use rushlight_tensor::{Stft, Tensor};
/// let x = Tensor::ones([2, 100], ())?;
/// assert_eq!(Stft::new(16).hop_length(4).run(&x)?.shape(), [2, 9, 26]);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stft {
    frames: Frames,
    pad: StftPad,
}

impl Stft {
    /// Transforms of frames of `n_fft` samples, with PyTorch's defaults.
    pub fn new(n_fft: usize) -> Stft {
        Stft { frames: Frames::new("stft", n_fft), pad: StftPad::default() }
    }

    setters!();

    /// How the signal goes on beyond its ends, where frames are centred.
    pub fn pad_mode(mut self, pad: StftPad) -> Stft {
        self.pad = pad;
        self
    }

    /// The transform of a signal `[samples]` or of a batch `[batch, samples]`: complex, `[.., frequencies, frames]`.
    ///
    /// # Errors
    /// If the signal is too short, or a length, the window or the dtype does not fit.
    pub fn run(&self, x: &Tensor) -> Result<Tensor> {
        let f = &self.frames;
        if !x.dtype().is_differentiable() {
            return Err(Error::dtype(f.op, format!("wants floating-point or complex numbers, got {}", x.dtype())));
        }
        if x.dim() != 1 && x.dim() != 2 {
            return Err(Error::shape(f.op, format!("wants [samples] or [batch, samples], got {:?}", x.shape())));
        }
        let len = x.shape()[x.dim() - 1];
        let hop = f.hop()?;
        let pad = if f.center { f.n_fft / 2 } else { 0 };
        let (mut x, mut from) = (x.clone(), pad);
        if pad > 0 && self.pad == StftPad::Constant {
            let mut shape = x.shape().to_vec();
            shape[x.dim() - 1] = pad;
            let zeros = Tensor::zeros(shape, (x.dtype(), x.device()))?;
            (x, from) = (Tensor::cat(&[&zeros, &x, &zeros], -1)?, 0);
        } else if pad >= len && pad > 0 && self.pad == StftPad::Reflect {
            return Err(Error::shape(f.op, format!("{pad} samples cannot be mirrored at the ends of a signal of {len}")));
        }
        let total = len + 2 * pad;
        if f.n_fft == 0 || f.n_fft > total {
            return Err(f.bad(format!("frames of {} samples of a signal of {total}", f.n_fft)));
        }
        let count = 1 + (total - f.n_fft) / hop;
        // Where in the signal each sample of each frame lies.
        let n = x.shape()[x.dim() - 1] as i64;
        let place = |p: i64| match self.pad {
            _ if (0..n).contains(&p) => p,
            StftPad::Reflect if p < 0 => -p,
            StftPad::Reflect => 2 * (n - 1) - p,
            StftPad::Circular => p.rem_euclid(n),
            _ => p.clamp(0, n - 1),
        };
        let places: Vec<i64> = (0..count).flat_map(|t| (0..f.n_fft).map(move |k| (t * hop + k) as i64 - from as i64)).map(place).collect();
        let places = Tensor::from_vec(places, count * f.n_fft, x.device())?;
        let window = f.padded_window(&x, x.dtype().to_real())?;
        let mut shape = x.shape()[..x.dim() - 1].to_vec();
        shape.extend([count, f.n_fft]);
        let framed = x.index_select(-1, &places)?.reshape(shape)?.mul(&window)?;
        let is_real = !framed.dtype().is_complex();
        let y = match f.onesided.unwrap_or(is_real) {
            true if is_real => fft::rfft(&framed, None, -1, f.norm())?,
            true => return Err(f.bad("complex signals and windows have no one-sided transform".to_string())),
            false => fft::fft(&framed, None, -1, f.norm())?,
        };
        y.transpose(-2, -1)
    }
}

/// `torch.istft`: the signal whose short-time transform comes nearest to a given one (Griffin and Lim, 1984).
///
/// ```
/// # use rushlight_tensor::{Istft, Stft, Tensor};
/// let x = Tensor::arange(0.0, 64.0, 1.0, ())?;
/// let y = Istft::new(16).run(&Stft::new(16).run(&x)?)?;
/// assert!(y.sub(&x)?.abs()?.max()?.item::<f32>()? < 1e-4);
/// # Ok::<(), rushlight_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Istft {
    frames: Frames,
    length: Option<usize>,
    complex: bool,
}

impl Istft {
    /// Of transforms of frames of `n_fft` samples, with PyTorch's defaults.
    pub fn new(n_fft: usize) -> Istft {
        Istft { frames: Frames::new("istft", n_fft), length: None, complex: false }
    }

    setters!();

    /// The length of the signal; by default what the frames cover, less the padding.
    pub fn length(mut self, length: usize) -> Istft {
        self.length = Some(length);
        self
    }

    /// Whether the signal is complex: the transform is then two-sided.
    pub fn return_complex(mut self, complex: bool) -> Istft {
        self.complex = complex;
        self
    }

    /// The signal, [.., samples], of a transform [.., frequencies, frames].
    ///
    /// # Errors
    /// If the frequencies do not fit `n_fft`, lengths or window do not fit, or the windows leave samples uncovered.
    pub fn run(&self, x: &Tensor) -> Result<Tensor> {
        let f = &self.frames;
        if !x.dtype().is_complex() {
            return Err(Error::dtype(f.op, format!("wants complex numbers, got {}", x.dtype())));
        }
        if x.dim() != 2 && x.dim() != 3 || x.numel() == 0 {
            return Err(Error::shape(f.op, format!("wants [.., frequencies, frames], not empty, got {:?}", x.shape())));
        }
        let single = x.dim() == 2;
        let x = if single { x.unsqueeze(0)? } else { x.clone() };
        let (frequencies, count, hop) = (x.shape()[1], x.shape()[2], f.hop()?);
        let onesided = f.onesided.unwrap_or(frequencies != f.n_fft);
        let wanted = if onesided { f.n_fft / 2 + 1 } else { f.n_fft };
        if frequencies != wanted {
            return Err(Error::shape(f.op, format!("n_fft = {} has {wanted} frequencies, got {frequencies}", f.n_fft)));
        }
        if self.complex && onesided {
            return Err(f.bad("a complex signal has a two-sided transform".to_string()));
        }
        let window = f.padded_window(&x, x.dtype().to_real())?;
        if window.dtype().is_complex() && !self.complex {
            return Err(f.bad("a complex window belongs to a complex signal".to_string()));
        }
        let spectra = x.transpose(1, 2)?;
        let half = f.n_fft / 2 + 1;
        let framed = match self.complex {
            true => fft::ifft(&spectra, None, -1, f.norm())?,
            false => fft::irfft(&spectra.narrow(-1, 0, half)?, f.n_fft, -1, f.norm())?,
        };
        let framed = framed.mul(&window)?;

        // Overlapping frames are added up, and so are the squares of their windows.
        let total = f.n_fft + hop * (count - 1);
        let places: Vec<i64> = (0..count).flat_map(|t| (0..f.n_fft).map(move |k| (t * hop + k) as i64)).collect();
        let places = Tensor::from_vec(places, count * f.n_fft, x.device())?;
        let overlap = |frames: Tensor| -> Result<Tensor> {
            let batch = frames.shape()[0];
            let zeros = Tensor::zeros([batch, total], (frames.dtype(), frames.device()))?;
            zeros.index_add(1, &places, &frames.reshape([batch, count * f.n_fft])?)
        };
        let squares = window.mul(&window)?.expand([1, count, f.n_fft])?;
        let start = if f.center { f.n_fft / 2 } else { 0 };
        let end = match self.length {
            Some(n) => start + n,
            None => total.saturating_sub(start),
        };
        let last = end.min(total);
        if last <= start {
            return Err(f.bad(format!("{total} samples leave nothing beyond the padding")));
        }
        let envelope = overlap(squares)?.narrow(1, start as isize, last - start)?;
        let sizes = envelope.all_values().to_dtype(DType::C128)?.to_vec::<Complex64>()?;
        if sizes.iter().any(|w| w.norm() <= 1e-11) {
            return Err(f.bad("the windows leave samples uncovered: their squares add up to 0 somewhere".to_string()));
        }
        let mut y = overlap(framed)?.narrow(1, start as isize, last - start)?.div(&envelope)?;
        if end > last {
            let zeros = Tensor::zeros([y.shape()[0], end - last], (y.dtype(), y.device()))?;
            y = Tensor::cat(&[y, zeros], 1)?;
        }
        if single { y.squeeze_dim(0) } else { Ok(y) }
    }
}
