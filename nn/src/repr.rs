//! Modules as text, in the form that PyTorch prints.

use crate::{Module, Visitor};

pub(crate) fn repr(module: &(impl Module + ?Sized)) -> String {
    let mut children = Children(Vec::new());
    module.visit(&mut children);
    let (name, extra) = (module.type_name(), module.extra_repr());
    if children.0.is_empty() {
        return format!("{name}({extra})");
    }
    let mut lines: Vec<String> = extra.lines().map(str::to_owned).collect();
    lines.extend(children.0);
    let body: Vec<String> = lines.iter().map(|line| format!("  {}", line.replace('\n', "\n  "))).collect();
    format!("{name}(\n{}\n)", body.join("\n"))
}

struct Children(Vec<String>);

impl Visitor for Children {
    fn module(&mut self, name: &str, module: &dyn Module) {
        self.0.push(format!("({name}): {}", repr(module)));
    }
}
