//! Going through a tree of modules in PyTorch's order.

use crate::{Buffer, Mode, Module, Parameter, Visitor};

/// A part of a module.
pub(crate) enum Part<'a> {
    Parameter(&'a Parameter),
    Buffer(&'a Buffer),
    Mode(&'a Mode),
}

/// Calls `f` for the module and all modules below it with their full names: a module before those below it, or after them.
pub(crate) fn modules(module: &dyn Module, children_first: bool, f: &mut dyn FnMut(&str, &dyn Module)) {
    fn go(path: &str, module: &dyn Module, children_first: bool, f: &mut dyn FnMut(&str, &dyn Module)) {
        if !children_first {
            f(path, module);
        }
        children(module, &mut |name, child| {
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            go(&path, child, children_first, f);
        });
        if children_first {
            f(path, module);
        }
    }
    go("", module, children_first, f);
}

/// Calls `f` for the modules directly inside of a module.
pub(crate) fn children(module: &dyn Module, f: &mut dyn FnMut(&str, &dyn Module)) {
    struct Children<'f>(&'f mut dyn FnMut(&str, &dyn Module), bool);
    impl Visitor for Children<'_> {
        fn module(&mut self, name: &str, module: &dyn Module) {
            if !self.1 {
                (self.0)(name, module);
            }
        }
        fn late_module(&mut self, name: &str, module: &dyn Module) {
            if self.1 {
                (self.0)(name, module);
            }
        }
    }
    module.visit(&mut Children(f, false));
    module.visit(&mut Children(f, true));
}

/// Calls `f` for every part with its full name. In each module parameters and the mode come first, then buffers, then the parts of children.
pub(crate) fn walk(module: &(impl Module + ?Sized), mut f: impl FnMut(&str, Part<'_>)) {
    Walker { path: String::new(), stage: Stage::Parameters, f: &mut f }.run(module);
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Parameters,
    LateParameters,
    Buffers,
    Children,
    LateChildren,
}

struct Walker<'f> {
    path: String,
    stage: Stage,
    f: &'f mut dyn FnMut(&str, Part<'_>),
}

impl Walker<'_> {
    fn run(&mut self, module: &(impl Module + ?Sized)) {
        for stage in [Stage::Parameters, Stage::LateParameters, Stage::Buffers, Stage::Children, Stage::LateChildren] {
            self.stage = stage;
            module.visit(self);
        }
    }

    /// Calls `g` while the path is one name longer.
    fn within(&mut self, name: &str, g: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        g(self);
        self.path.truncate(len);
    }
}

impl Visitor for Walker<'_> {
    fn parameter(&mut self, name: &str, parameter: &Parameter) {
        if self.stage == Stage::Parameters {
            self.within(name, |w| (w.f)(&w.path, Part::Parameter(parameter)));
        }
    }

    fn late_parameter(&mut self, name: &str, parameter: &Parameter) {
        if self.stage == Stage::LateParameters {
            self.within(name, |w| (w.f)(&w.path, Part::Parameter(parameter)));
        }
    }

    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        if self.stage == Stage::Buffers {
            self.within(name, |w| (w.f)(&w.path, Part::Buffer(buffer)));
        }
    }

    fn mode(&mut self, mode: &Mode) {
        if self.stage == Stage::Parameters {
            (self.f)(&self.path, Part::Mode(mode));
        }
    }

    fn module(&mut self, name: &str, module: &dyn Module) {
        if self.stage == Stage::Children {
            self.within(name, |w| w.run(module));
            self.stage = Stage::Children;
        }
    }

    fn late_module(&mut self, name: &str, module: &dyn Module) {
        if self.stage == Stage::LateChildren {
            self.within(name, |w| w.run(module));
            self.stage = Stage::LateChildren;
        }
    }
}
