//! Resampling.

use rushlight_tensor::{Error, GridMode, GridPadding, GridSample, InterpolateMode, InterpolateOptions, InterpolateTo};

use crate::args::Args;
use crate::golden::Value;
use crate::outcome::{CaseError, CaseResult};
use crate::registry::Registry;

const MODES: [(&str, Option<InterpolateMode>); 7] = [
    ("nearest", Some(InterpolateMode::Nearest)),
    ("nearest-exact", Some(InterpolateMode::NearestExact)),
    ("linear", Some(InterpolateMode::Linear)),
    ("bilinear", Some(InterpolateMode::Bilinear)),
    ("bicubic", Some(InterpolateMode::Bicubic)),
    ("trilinear", Some(InterpolateMode::Trilinear)),
    ("area", Some(InterpolateMode::Area)),
];

pub(super) fn register(r: &mut Registry) {
    r.op("nn.functional.interpolate", |a| {
        let (x, to) = (a.tensor("input")?, target(a)?);
        let mode = a.choice("mode", "nearest", &MODES)?;
        let align_corners = opt_bool(a, "align_corners")?;
        let recompute_scale_factor = opt_bool(a, "recompute_scale_factor")?.unwrap_or(false);
        let antialias = a.bool_or("antialias", false)?;
        Ok(x.interpolate(&to, InterpolateOptions { mode, align_corners, recompute_scale_factor, antialias })?)
    });
    r.op("nn.functional.upsample", |a| {
        let (x, to) = (a.tensor("input")?, target(a)?);
        let mode = a.choice("mode", "nearest", &MODES)?;
        let align_corners = opt_bool(a, "align_corners")?;
        Ok(x.interpolate(&to, InterpolateOptions { mode, align_corners, ..InterpolateOptions::default() })?)
    });
    r.op("nn.functional.upsample_nearest", |a| {
        let (x, to) = (a.tensor("input")?, target(a)?);
        Ok(x.interpolate(&to, InterpolateMode::Nearest)?)
    });
    r.op("nn.functional.upsample_bilinear", |a| {
        let (x, to) = (a.tensor("input")?, target(a)?);
        let mode = InterpolateMode::Bilinear;
        Ok(x.interpolate(&to, InterpolateOptions { mode, align_corners: Some(true), ..InterpolateOptions::default() })?)
    });
    r.op("nn.functional.grid_sample", |a| {
        let (x, grid) = (a.tensor("input")?, a.tensor("grid")?);
        use GridMode::{Bicubic, Bilinear, Nearest};
        let modes = [("bilinear", Some(Bilinear)), ("nearest", Some(Nearest)), ("bicubic", Some(Bicubic))];
        let mode = a.choice("mode", "bilinear", &modes)?;
        use GridPadding::{Border, Reflection, Zeros};
        let padding =
            a.choice("padding_mode", "zeros", &[("zeros", Some(Zeros)), ("border", Some(Border)), ("reflection", Some(Reflection))])?;
        let align_corners = opt_bool(a, "align_corners")?.unwrap_or(false);
        Ok(x.grid_sample(&grid, GridSample { mode, padding, align_corners })?)
    });
    r.op("grid_sampler_2d", |a| {
        let (x, grid) = (a.tensor("input")?, a.tensor("grid")?);
        let (mode, padding) = (a.int("interpolation_mode")?, a.int("padding_mode")?);
        let modes = [GridMode::Bilinear, GridMode::Nearest, GridMode::Bicubic];
        let paddings = [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection];
        let (Some(&mode), Some(&padding)) = (modes.get(mode as usize), paddings.get(padding as usize)) else {
            return Err(CaseError::Untypable("modes are enumerations".to_string()));
        };
        Ok(x.grid_sample(&grid, GridSample { mode, padding, align_corners: a.bool_or("align_corners", false)? })?)
    });
    r.op("nn.functional.affine_grid", |a| {
        let (theta, size) = (a.tensor("theta")?, a.ints("size")?);
        Ok(theta.affine_grid(size, opt_bool(a, "align_corners")?.unwrap_or(false))?)
    });
}

fn opt_bool(a: &mut Args, name: &str) -> CaseResult<Option<bool>> {
    match a.peek(name) {
        None => Ok(None),
        Some(Value::None) => {
            a.take(name);
            Ok(None)
        }
        _ => a.bool_or(name, false).map(Some),
    }
}

/// `size` or `scale_factor`: our parameter is one of the two.
fn target(a: &mut Args) -> CaseResult<InterpolateTo> {
    let size = a.opt_ints("size")?;
    let scale = match a.peek("scale_factor") {
        Some(Value::List(items) | Value::Tuple(items)) => {
            let factors = items.clone().into_iter().map(|v| Args::new(vec![v], vec![]).float_or("scale_factor", 1.0));
            let factors = factors.collect::<CaseResult<Vec<f64>>>()?;
            a.take("scale_factor");
            Some(factors)
        }
        _ => a.opt_float("scale_factor")?.map(|f| vec![f]),
    };
    match (size, scale) {
        (Some(size), None) => Ok(InterpolateTo::size(size)),
        (None, Some(scale)) => Ok(InterpolateTo::scale(&scale)),
        (Some(_), Some(_)) => Err(CaseError::Untypable("size and scale_factor are one argument".to_string())),
        (None, None) => Err(CaseError::Refused(Error::value("interpolate", "neither size nor scale_factor"))),
    }
}
