//! The state of an optimizer in the form of PyTorch's state dicts.

use rushlight_nn::checkpoint::Value;
use rushlight_tensor::{DType, Error, Result, Tensor, default_dtype};

use crate::group::{Group, State};
use crate::options::Rule;

/// More steps than anybody takes: floats still count by ones there.
pub(crate) const MOST_STEPS: u64 = 1 << 53;

/// A number as PyTorch keeps it: a 0-d tensor.
pub(crate) fn number(x: f64, dtype: DType) -> Result<Value> {
    Ok(Value::Tensor(Tensor::full((), x, dtype)?))
}

/// What a number becomes in the memory of PyTorch's optimizers, who keep it in the default dtype.
pub(crate) fn rounded(x: f64) -> f64 {
    if default_dtype() == DType::F64 { x } else { f64::from(x as f32) }
}

pub(crate) fn save<O: Rule>(groups: &[Group<O>]) -> Result<Value> {
    let (mut states, mut listed) = (Vec::new(), Vec::new());
    let mut first = 0;
    let scalars = if default_dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    for group in groups {
        for (i, state) in group.states.iter().enumerate().filter(|(_, s)| s.step > 0) {
            let mut entries = Vec::new();
            if O::COUNTS {
                entries.push(("step", number(state.step as f64, DType::F32)?));
            }
            for (name, x) in &state.scalars {
                entries.push((name, number(*x, scalars)?));
            }
            entries.extend(state.tensors.iter().map(|(name, t)| (*name, Value::Tensor(t.clone()))));
            if !entries.is_empty() {
                states.push((Value::Int((first + i) as i64), Value::dict(entries)));
            }
        }
        let mut options = group.options.list();
        options.extend(group.initial_lr.map(|lr| ("initial_lr", Value::Float(lr))));
        options.push(("params", (first..first + group.params.len()).collect::<Vec<_>>().into()));
        listed.push(Value::dict(options));
        first += group.params.len();
    }
    Ok(Value::dict([("state", Value::Dict(states)), ("param_groups", Value::List(listed))]))
}

pub(crate) fn load<O: Rule>(groups: &mut [Group<O>], state: &Value) -> Result<()> {
    let wrong = |what: String| Error::value(O::NAME, format!("load_state_dict: {what}"));
    let listed = state.get("param_groups").and_then(Value::as_list).ok_or_else(|| wrong("no list `param_groups`".to_string()))?;
    let saved = state.get("state").and_then(Value::as_dict).ok_or_else(|| wrong("no dict `state`".to_string()))?;
    if listed.len() != groups.len() {
        return Err(wrong(format!("{} parameter groups, the optimizer has {}", listed.len(), groups.len())));
    }
    let mut loaded = Vec::with_capacity(groups.len());
    for (group, entry) in groups.iter().zip(listed) {
        let ids = entry.get("params").and_then(Value::as_list).ok_or_else(|| wrong("a group without `params`".to_string()))?;
        if ids.len() != group.params.len() {
            return Err(wrong(format!("a group of {} parameters, the optimizer's has {}", ids.len(), group.params.len())));
        }
        let mut new = Group { states: Vec::new(), ..group.clone() };
        for (name, value) in entry.as_dict().unwrap_or_default() {
            let name = name.as_str().unwrap_or_default();
            new.options.set(name, value).ok_or_else(|| wrong(format!("option `{name}` is {}", value.kind())))?;
        }
        new.options.check()?;
        new.initial_lr = entry.get("initial_lr").and_then(Value::as_float);
        for (id, p) in ids.iter().zip(&group.params) {
            let id = id.as_int().ok_or_else(|| wrong("a parameter's number is no integer".to_string()))?;
            let found = saved.iter().find(|(k, _)| k.as_int() == Some(id)).map(|(_, v)| v);
            new.states.push(match found {
                Some(v) => one::<O>(v, &p.shape(), p.dtype(), p.device()).map_err(|e| wrong(format!("parameter {id}: {e}")))?,
                None => State::default(),
            });
        }
        loaded.push(new);
    }
    groups.iter_mut().zip(loaded).for_each(|(old, new)| *old = new);
    Ok(())
}

/// The state of one parameter.
fn one<O: Rule>(saved: &Value, shape: &[usize], dtype: DType, device: rushlight_tensor::Device) -> std::result::Result<State, String> {
    let mut state = State::default();
    for (name, value) in saved.as_dict().ok_or_else(|| format!("its state is {}", saved.kind()))? {
        let name = name.as_str().unwrap_or_default();
        let scalar = |value: &Value| value.as_float().ok_or_else(|| format!("`{name}` is {}", value.kind()));
        if name == "step" {
            let step = scalar(value)?;
            if !(0.0..=MOST_STEPS as f64).contains(&step) {
                return Err(format!("a number of steps that is {step}"));
            }
            state.step = step as u64;
        } else if let Some(name) = O::SCALARS.iter().find(|n| **n == name) {
            state.set_scalar(name, scalar(value)?);
        } else if let (Some(name), Value::Tensor(t)) = (O::STATES.iter().find(|n| **n == name), value) {
            // Means over rows or columns are smaller than the parameter, but of as many dimensions.
            if t.dim() != shape.len() || t.shape().iter().zip(shape).any(|(a, b)| a != b && *a != 1) {
                return Err(format!("`{name}` is {:?}, the parameter {shape:?}", t.shape()));
            }
            let t = t.with_trace(None).to_dtype(dtype).and_then(|t| t.to_device(device)).map_err(|e| e.to_string())?;
            state.set_tensor(name, t);
        }
    }
    if !O::COUNTS && !state.tensors.is_empty() {
        state.step = state.step.max(1);
    }
    Ok(state)
}
