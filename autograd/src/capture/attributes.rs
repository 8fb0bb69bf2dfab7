//! The parameters of an operation as text, read off its `Debug` form: what every operation has.

use rushlight_backend::Op;

/// A piece of a `Debug` text.
enum Piece<'a> {
    /// A number, a name, a list in brackets, a string.
    Plain(&'a str),
    /// `Name(a, b)`.
    Tuple(Vec<Piece<'a>>),
    /// `Name { key: value }`.
    Fields(Vec<(&'a str, Piece<'a>)>),
}

/// Reads pieces from the front of a text.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn skip(&mut self, c: char) -> bool {
        let rest = self.0.trim_start();
        let found = rest.strip_prefix(c);
        self.0 = found.unwrap_or(rest);
        found.is_some()
    }

    /// Everything up to the bracket or quote that closes the one in front.
    fn enclosed(&mut self) -> &'a str {
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        for (i, c) in self.0.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '[' if !quoted => depth += 1,
                ']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !quoted && !escaped {
                return self.cut(i + c.len_utf8());
            }
        }
        self.cut(self.0.len())
    }

    fn cut(&mut self, n: usize) -> &'a str {
        let (front, rest) = self.0.split_at(n);
        self.0 = rest;
        front.trim()
    }

    fn piece(&mut self) -> Piece<'a> {
        self.0 = self.0.trim_start();
        if self.0.starts_with(['[', '"']) {
            return Piece::Plain(self.enclosed());
        }
        let end = self.0.find(['(', ')', '{', '}', ',', ':']).unwrap_or(self.0.len());
        let name = self.cut(end);
        if self.skip('(') {
            let mut items = Vec::new();
            while !self.0.is_empty() && !self.skip(')') {
                items.push(self.piece());
                self.skip(',');
            }
            Piece::Tuple(items)
        } else if self.skip('{') {
            let mut fields = Vec::new();
            while !self.0.is_empty() && !self.skip('}') {
                let end = self.0.find(':').unwrap_or(self.0.len());
                let key = self.cut(end);
                self.skip(':');
                fields.push((key, self.piece()));
                self.skip(',');
            }
            Piece::Fields(fields)
        } else {
            // Whatever stands where nothing can be read must not be read for ever.
            if name.is_empty() {
                let n = self.0.chars().next().map_or(0, char::len_utf8);
                self.cut(n);
            }
            Piece::Plain(name)
        }
    }
}

/// `Relu6` and `relu6`, `MaxPool` and `max_pool` are the same.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn collect(piece: &Piece<'_>, key: Option<&str>, known: &str, out: &mut Vec<String>) {
    match piece {
        Piece::Plain("" | "None" | "false") => {}
        // What the operation's name says already.
        Piece::Plain(text) if !text.starts_with(|c: char| c.is_ascii_digit()) && known.starts_with(&folded(text)) => {}
        Piece::Plain(text) => out.push(key.map_or_else(|| (*text).to_string(), |key| format!("{key}={text}"))),
        Piece::Tuple(items) => items.iter().for_each(|item| collect(item, key, known, out)),
        Piece::Fields(fields) => fields.iter().for_each(|(key, item)| collect(item, Some(key), known, out)),
    }
}

/// The parameters of an operation, such as `dims=[1], keepdim=true`.
pub(super) fn attributes(op: &Op) -> String {
    // These have none.
    if matches!(op, Op::Custom(_) | Op::Matmul(_)) {
        return String::new();
    }
    let text = format!("{op:?}");
    let mut out = Vec::new();
    collect(&Reader(&text).piece(), None, &folded(op.name()), &mut out);
    out.join(", ")
}

#[cfg(test)]
mod tests {
    use rushlight_backend::op::{Binary, Conv, Pointwise, Reduce, Reduction, ShapeOp, Spatial, Unary, Window};
    use rushlight_backend::{DType, Scalar};

    use super::*;

    #[test]
    fn what_the_name_does_not_say() {
        let text = |op: &dyn Fn() -> Op| attributes(&op());
        assert_eq!(text(&|| Pointwise::Unary(Unary::Tanh).into()), "");
        assert_eq!(text(&|| Pointwise::UnaryGrad(Unary::Tanh).into()), "");
        assert_eq!(text(&|| Pointwise::Unary(Unary::LeakyRelu { slope: 0.1 }).into()), "slope=0.1");
        assert_eq!(text(&|| Pointwise::Cast(DType::F64).into()), "F64");
        let scaled = Pointwise::WithScalar { op: Binary::Add, scalar: Scalar::Float(2.5), reflected: false };
        assert_eq!(text(&|| scaled.into()), "scalar=2.5");
        assert_eq!(
            text(&|| Reduce { kind: Reduction::Sum, dims: [0, 2].into_iter().collect(), keepdim: true }.into()),
            "dims=[0, 2], keepdim=true"
        );
        assert_eq!(text(&|| ShapeOp::Reshape([2, 3].into_iter().collect()).into()), "[2, 3]");
        assert_eq!(text(&|| ShapeOp::Slice { dim: 1, start: 0, len: 4, step: 2 }.into()), "dim=1, start=0, len=4, step=2");
        let window = Window {
            stride: Spatial::all(1, 2),
            before: Spatial::all(2, 2),
            after: Spatial::all(2, 2),
            dilation: Spatial::all(1, 2),
            groups: 1,
        };
        assert_eq!(text(&|| Conv::Forward(window).into()), "stride=[1, 1], before=[2, 2], after=[2, 2], dilation=[1, 1], groups=1");
    }
}
