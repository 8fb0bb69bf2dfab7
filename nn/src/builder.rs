//! How modules are made: one style for all.

/// Declares the builder of a module: its required arguments, its options with their defaults, and the module's `new` and `builder`.
/// `build` is written by hand. An argument is given as its type, or as what stands in parentheses behind its name and converts into it.
macro_rules! builder {
    (@argument $t:ty, $arg:ty) => { $arg };
    (@argument $t:ty) => { $t };
    (
        $(#[$doc:meta])*
        $builder:ident for $module:ident $(<const $n:ident: usize>)? ($($req:ident $(($reqarg:ty))? : $reqty:ty),* $(,)?) {
            $($(#[$optdoc:meta])* $opt:ident $(($optarg:ty))? : $optty:ty = $default:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is made before `build`"]
        pub struct $builder $(<const $n: usize>)? {
            $($req: $reqty,)*
            $($opt: $optty,)*
        }

        impl $(<const $n: usize>)? $builder $(<$n>)? {
            $(
                $(#[$optdoc])*
                pub fn $opt(mut self, $opt: builder!(@argument $optty $(, $optarg)?)) -> Self {
                    self.$opt = $opt.into();
                    self
                }
            )*
        }

        impl $(<const $n: usize>)? $module $(<$n>)? {
            /// The module with the defaults of its builder.
            ///
            /// # Errors
            /// If an argument is out of range.
            pub fn new($($req: builder!(@argument $reqty $(, $reqarg)?)),*) -> rushlight_tensor::Result<Self> {
                Self::builder($($req),*).build()
            }

            /// The arguments of the module, to which options can be added.
            pub fn builder($($req: builder!(@argument $reqty $(, $reqarg)?)),*) -> $builder $(<$n>)? {
                $builder { $($req: $req.into(),)* $($opt: $default,)* }
            }
        }
    };
}
pub(crate) use builder;
