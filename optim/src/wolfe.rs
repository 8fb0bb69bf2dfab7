//! A line search for the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5 and 3.6), as PyTorch's L-BFGS runs it.

use rushlight_tensor::{Result, Tensor};

/// A point on the line.
#[derive(Clone)]
pub(crate) struct Point {
    /// How far along the direction.
    pub(crate) t: f64,
    /// The loss.
    pub(crate) f: f64,
    /// The gradient.
    pub(crate) g: Tensor,
    /// The slope along the direction.
    pub(crate) slope: f64,
}

/// The least value of the cubic through two points with their slopes, within bounds.
fn cubic(a: &Point, b: &Point, bounds: Option<(f64, f64)>) -> f64 {
    let (low, high) = bounds.unwrap_or((a.t.min(b.t), a.t.max(b.t)));
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square < 0.0 {
        return (low + high) / 2.0;
    }
    let d2 = square.sqrt();
    let least = if a.t <= b.t {
        b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
    } else {
        a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
    };
    // Python's min and max: a NaN ends up at a bound.
    let least = if least > low { least } else { low };
    if least < high { least } else { high }
}

/// From the point `start` (t = 0) searches a step length from `t` on; `at` evaluates a point. Gives it, and the number of evaluations.
pub(crate) fn search(mut at: impl FnMut(f64) -> Result<Point>, t: f64, largest: f64, start: Point) -> Result<(Point, usize)> {
    const C1: f64 = 1e-4;
    const C2: f64 = 0.9;
    const CHANGE: f64 = 1e-9;
    const MOST: usize = 25;

    let (f, slope) = (start.f, start.slope);
    let mut new = at(t)?;
    let (mut evaluations, mut rounds) = (1, 0);
    let mut last = start.clone();
    let mut bracket: Option<(Point, Point)> = None;
    while rounds < MOST {
        if new.f > f + C1 * new.t * slope || (rounds > 1 && new.f >= last.f) {
            bracket = Some((last.clone(), new.clone()));
            break;
        }
        if new.slope.abs() <= -C2 * slope {
            return Ok((new, evaluations));
        }
        if new.slope >= 0.0 {
            bracket = Some((last.clone(), new.clone()));
            break;
        }
        let bounds = (new.t + 0.01 * (new.t - last.t), new.t * 10.0);
        let next = cubic(&last, &new, Some(bounds));
        last = new;
        new = at(next)?;
        evaluations += 1;
        rounds += 1;
    }
    // Zoom: the interval shrinks around the minimum; `low` is the better end.
    let (mut first, mut second) = bracket.unwrap_or((start, new));
    let mut stalled = false;
    while rounds < MOST {
        if (second.t - first.t).abs() * largest < CHANGE {
            break;
        }
        let mut t = cubic(&first, &second, None);
        let (left, right) = (first.t.min(second.t), first.t.max(second.t));
        let margin = 0.1 * (right - left);
        if (right - t).min(t - left) < margin {
            if stalled || t >= right || t <= left {
                t = if (t - right).abs() < (t - left).abs() { right - margin } else { left + margin };
                stalled = false;
            } else {
                stalled = true;
            }
        } else {
            stalled = false;
        }
        let new = at(t)?;
        evaluations += 1;
        rounds += 1;
        let (low, high) = if first.f <= second.f { (&mut first, &mut second) } else { (&mut second, &mut first) };
        if new.f > f + C1 * new.t * slope || new.f >= low.f {
            *high = new;
        } else {
            let done = new.slope.abs() <= -C2 * slope;
            if !done && new.slope * (high.t - low.t) >= 0.0 {
                *high = low.clone();
            }
            *low = new;
            if done {
                break;
            }
        }
    }
    Ok((if first.f <= second.f { first } else { second }, evaluations))
}
