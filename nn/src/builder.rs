//! How modules are made: one style for all.

/// Declares the builder of a module: its required arguments, its options with their defaults, and the module's `new` and `builder`.
/// `build` is written by hand. An argument is given as its type, or, as parentheses behind its name say, as another one and converted by a method.
macro_rules! builder {
    (@argument $t:ty, $arg:ty) => { $arg };
    (@argument $t:ty) => { $t };
    (
        $(#[$doc:meta])*
        $builder:ident for $module:ident ($($req:ident $(($reqarg:ty; $reqvia:ident))? : $reqty:ty),* $(,)?) {
            $($(#[$optdoc:meta])* $opt:ident $(($optarg:ty; $optvia:ident))? : $optty:ty = $default:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder {
            $($req: $reqty,)*
            $($opt: $optty,)*
        }

        impl $builder {
            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: builder!(@argument $optty $(, $optarg)?)) -> Self {
                    self.$opt = $opt $(.$optvia())?;
                    self
                }
            )*
        }

        impl $module {
            /// The module with the defaults of its builder.
            ///
            /// # Errors
            /// If an argument is out of range.
            pub fn new($($req: builder!(@argument $reqty $(, $reqarg)?)),*) -> rushlight_tensor::Result<Self> {
                Self::builder($($req),*).build()
            }

            /// The arguments of the module, to which options can be added.
            pub fn builder($($req: builder!(@argument $reqty $(, $reqarg)?)),*) -> $builder {
                $builder { $($req: $req $(.$reqvia())?,)* $($opt: $default,)* }
            }
        }
    };
}
pub(crate) use builder;

/// Declares a module of options alone: it has PyTorch's defaults from `new`, others from its builder.
macro_rules! options {
    (
        $(#[$doc:meta])*
        $module:ident, $builder:ident {
            $($(#[$optdoc:meta])* $opt:ident $(($optarg:ty; $optvia:ident))? : $optty:ty = $default:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(crate::Module, Clone, Debug)]
        #[module(extra_repr = Self::arguments)]
        pub struct $module {
            $(
                $(#[$optdoc])*
                #[module(skip)]
                pub $opt: $optty,
            )*
        }

        impl Default for $module {
            fn default() -> Self {
                $module { $($opt: $default,)* }
            }
        }

        impl $module {
            /// The module with PyTorch's defaults.
            pub fn new() -> Self {
                Self::default()
            }

            /// The defaults, to be changed.
            pub fn builder() -> $builder {
                $builder(Self::default())
            }

            fn arguments(&self) -> String {
                [$(format!(concat!(stringify!($opt), "={:?}"), self.$opt)),*].join(", ")
            }
        }

        #[doc = concat!("The arguments of [`", stringify!($module), "`].")]
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder($module);

        impl $builder {
            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: crate::builder::builder!(@argument $optty $(, $optarg)?)) -> Self {
                    self.0.$opt = $opt $(.$optvia())?;
                    self
                }
            )*

            /// The module.
            ///
            /// # Errors
            /// None for this module; all builders return results.
            pub fn build(self) -> rushlight_tensor::Result<$module> {
                Ok(self.0)
            }
        }
    };
}
pub(crate) use options;
