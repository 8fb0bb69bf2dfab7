//! The one error type.

use std::borrow::Cow;
use std::fmt;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong, for code that wants to react; people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, ranks or dimension numbers do not fit.
    Shape,
    /// An element type that the operation does not take.
    DType,
    /// Tensors on different devices, or a device that is not there.
    Device,
    /// An index out of range.
    Index,
    /// An argument with a value outside of what is allowed.
    Value,
    /// Something that this backend or version does not do.
    Unsupported,
    /// Derivatives: no graph, a freed graph, an operation without a derivative.
    Autograd,
    /// A file or stream could not be read or written.
    Io,
    /// A file's content is not what its format says.
    Format,
    /// Memory could not be had.
    OutOfMemory,
}

/// An error: which operation, what it got and what it wanted.
///
/// ```
/// use rushlight_backend::{Error, ErrorKind};
/// let e = Error::shape("matmul", "cannot multiply [2, 3] by [4, 2]: the inner sizes 3 and 4 differ");
/// assert_eq!(e.kind(), ErrorKind::Shape);
/// assert_eq!(e.to_string(), "matmul: cannot multiply [2, 3] by [4, 2]: the inner sizes 3 and 4 differ");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    op: Cow<'static, str>,
    message: String,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        #[cold]
        pub fn $name(op: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Error {
            Error::new(ErrorKind::$kind, op, message)
        }
    )*};
}

impl Error {
    /// An error of this kind in the operation (or file, or module) `op`.
    #[cold]
    pub fn new(kind: ErrorKind, op: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, op: op.into(), message: message.into() }))
    }

    constructors! {
        /// Shapes that do not fit.
        shape => Shape;
        /// A wrong element type.
        dtype => DType;
        /// A wrong or missing device.
        device => Device;
        /// An index out of range.
        index => Index;
        /// A bad argument.
        value => Value;
        /// Not supported.
        unsupported => Unsupported;
        /// No derivative, no graph, or a freed one.
        autograd => Autograd;
        /// Reading or writing failed.
        io => Io;
        /// A malformed file.
        format => Format;
        /// Out of memory.
        out_of_memory => OutOfMemory;
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation, file or module in which it went wrong.
    pub fn op(&self) -> &str {
        &self.0.op
    }

    /// The message without the operation's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.op, self.0.message)
    }
}

/// The message: a `main` that returns an error prints it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Error {
        Error::io("io", e.to_string())
    }
}
