//! The Bessel functions of the first and second kind and Airy's as PyTorch has them.
//!
//! PyTorch takes the rational approximations of Cephes, but evaluates their denominators `x^n + c[1] x^(n-1) + ...` without the leading term,
//! which the coefficients leave out because it is one. So its values differ from the true ones by up to 1e-6, most of all around 5.
//! Programs that compare with PyTorch's in double precision see that. Here the true function is computed, and what the lost term does is added.

#![allow(clippy::excessive_precision, reason = "the coefficients as published")]

use std::f64::consts::{FRAC_2_PI, FRAC_PI_4, PI};

use super::bessel;

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// By which factor a quotient grows when its denominator loses the leading term.
fn without_leading(denominator: &[f64], x: f64) -> f64 {
    1.0 + x.powi(denominator.len() as i32) / polynomial(denominator, x)
}

/// What a quotient gains when its denominator loses the leading term.
fn gain(numerator: &[f64], denominator: &[f64], x: f64) -> f64 {
    let (lead, rest) = (x.powi(denominator.len() as i32), polynomial(denominator, x));
    polynomial(numerator, x) * lead / (rest * (lead + rest))
}

/// The coefficients of one order.
struct Order {
    /// The true functions of both kinds.
    j: fn(f64) -> f64,
    y: fn(f64) -> f64,
    /// Denominators up to 5: of the first kind, and of the second one's regular part.
    j_near: [f64; 8],
    y_near: &'static [f64],
    /// The phase and the part out of phase beyond 5.
    phase: f64,
    far: [f64; 8],
    far_denominator: [f64; 7],
}

const ORDER0: Order = Order {
    j: libm::j0,
    y: libm::y0,
    j_near: [
        4.99563147152651017219e2,
        1.73785401676374683123e5,
        4.84409658339962045305e7,
        1.11855537045356834862e10,
        2.11277520115489217587e12,
        3.10518229857422583814e14,
        3.18121955943204943306e16,
        1.71086294081043136091e18,
    ],
    y_near: &[
        1.04128353664259848412e3,
        6.26107330137134956842e5,
        2.68919633393814121987e8,
        8.64002487103935000337e10,
        2.02979612750105546709e13,
        3.17157752842975028269e15,
        2.50596256172653059228e17,
    ],
    phase: FRAC_PI_4,
    far: [
        -1.13663838898469149931e-2,
        -1.28252718670509318512,
        -1.95539544257735972385e1,
        -9.32060152123768231369e1,
        -1.77681167980488050595e2,
        -1.47077505154951170175e2,
        -5.14105326766599330220e1,
        -6.05014350600728481186,
    ],
    far_denominator: [
        6.43178256118178023184e1,
        8.56430025976980587198e2,
        3.88240183605401609683e3,
        7.24046774195652478189e3,
        5.93072701187316984827e3,
        2.06209331660327847417e3,
        2.42005740240291393179e2,
    ],
};

const ORDER1: Order = Order {
    j: libm::j1,
    y: libm::y1,
    j_near: [
        6.20836478118054335476e2,
        2.56987256757748830383e5,
        8.35146791431949253037e7,
        2.21511595479792499675e10,
        4.74914122079991414898e12,
        7.84369607876235854894e14,
        8.95222336184627338078e16,
        5.32278620332680085395e18,
    ],
    y_near: &[
        5.94301592346128195359e2,
        2.35564092943068577943e5,
        7.34811944459721705660e7,
        1.87601316108706159478e10,
        3.88231277496238566008e12,
        6.20557727146953693363e14,
        6.87141087355300489866e16,
        3.97270608116560655612e18,
    ],
    phase: 3.0 * FRAC_PI_4,
    far: [
        5.10862594750176621635e-2,
        4.98213872951233449420,
        7.58238284132545283818e1,
        3.66779609360150777800e2,
        7.10856304998926107277e2,
        5.97489612400613639965e2,
        2.11688757100572135698e2,
        2.52070205858023719784e1,
    ],
    far_denominator: [
        7.42373277035675149943e1,
        1.05644886038262816351e3,
        4.98641058337653607651e3,
        9.56231892404756170795e3,
        7.99704160447350683650e3,
        2.82619278517639096600e3,
        3.36093607810698293419e2,
    ],
};

impl Order {
    /// For x >= 0.
    fn first(&self, x: f64) -> f64 {
        let j = (self.j)(x);
        if x <= 5.0 { j * without_leading(&self.j_near, x * x) } else { j - self.far(x) * (x - self.phase).sin() }
    }

    fn second(&self, x: f64) -> f64 {
        let y = (self.y)(x);
        if x > 5.0 {
            return y + self.far(x) * (x - self.phase).cos();
        }
        if x <= 0.0 || !y.is_finite() {
            return y;
        }
        // The second kind is regular but for the logarithm times the first kind and, in the order 1, a pole.
        let logarithm = FRAC_2_PI * x.ln();
        let pole = if self.phase > 1.0 { FRAC_2_PI / x } else { 0.0 };
        (y - logarithm * (self.j)(x) + pole) * without_leading(self.y_near, x * x) + logarithm * self.first(x) - pole
    }

    fn far(&self, x: f64) -> f64 {
        5.0 / x * gain(&self.far, &self.far_denominator, 25.0 / (x * x)) * (FRAC_2_PI / x).sqrt()
    }
}

pub(super) fn j0(x: f64) -> f64 {
    ORDER0.first(x.abs())
}

pub(super) fn j1(x: f64) -> f64 {
    if x < 0.0 { -ORDER1.first(-x) } else { ORDER1.first(x) }
}

pub(super) fn y0(x: f64) -> f64 {
    ORDER0.second(x)
}

pub(super) fn y1(x: f64) -> f64 {
    ORDER1.second(x)
}

/// Numerator and denominator of what is in phase, and of what is out of it, for large negative arguments.
const AIRY_EVEN: [f64; 9] = [
    -1.31696323418331795333e-1,
    -6.26456544431912369773e-1,
    -6.93158036036933542233e-1,
    -2.79779981545119124951e-1,
    -4.91900132609500318020e-2,
    -4.06265923594885404393e-3,
    -1.59276496239262096340e-4,
    -2.77649108155232920844e-6,
    -1.67787698489114633780e-8,
];
const AIRY_EVEN_DENOMINATOR: [f64; 9] = [
    1.33560420706553243746e1,
    3.26825032795224613948e1,
    2.67367040941499554804e1,
    9.18707402907259625840,
    1.47529146771666414581,
    1.15687173795188044134e-1,
    4.40291641615211203805e-3,
    7.54720348287414296618e-5,
    4.51850092970580378464e-7,
];
const AIRY_ODD: [f64; 11] = [
    1.97339932091685679179e-2,
    3.91103029615688277255e-1,
    1.06579897599595591108,
    9.39169229816650230044e-1,
    3.51465656105547619242e-1,
    6.33888919628925490927e-2,
    5.85804113048388458567e-3,
    2.82851600836737019778e-4,
    6.98793669997260967291e-6,
    8.11789239554389293311e-8,
    3.41551784765923618484e-10,
];
const AIRY_ODD_DENOMINATOR: [f64; 10] = [
    9.30892908077441974853,
    1.98352928718312140417e1,
    1.55646628932864612953e1,
    5.47686069422975497931,
    9.54293611618961883998e-1,
    8.64580826352392193095e-2,
    4.12656523824222607191e-3,
    1.01259085116509135510e-4,
    1.17166733214413521882e-6,
    4.91834570062930015649e-9,
];

pub(super) fn airy_ai(x: f64) -> f64 {
    let y = bessel::airy_ai(x);
    if !(x < -2.09 && x.is_finite()) {
        return y;
    }
    let zeta = 2.0 / 3.0 * -x * (-x).sqrt();
    let (z, (sin, cos)) = (1.0 / zeta, (zeta + FRAC_PI_4).sin_cos());
    let even = z * z * gain(&AIRY_EVEN, &AIRY_EVEN_DENOMINATOR, z * z);
    let odd = z * gain(&AIRY_ODD, &AIRY_ODD_DENOMINATOR, z * z);
    y + (sin * even - cos * odd) / (PI.sqrt() * (-x).sqrt().sqrt())
}
