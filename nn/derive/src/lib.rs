//! The derive macro for Rushlight modules.

mod expand;

use proc_macro::TokenStream;

/// Derives `Module`, and `Display` in PyTorch's form.
///
/// Every field is visited through `Field` under its name (fields of tuple structs under their number). On fields:
///
/// - `#[module(skip)]`: the field is no part of the module;
/// - `#[module(rename = "name")]`: its name in state dicts.
///
/// On the type:
///
/// - `#[module(name = "Name")]`: how it is printed, if not by its own name;
/// - `#[module(extra_repr = path)]`: a function from `&Self` to the `String` that is printed in the parentheses.
///
/// Of an enum the fields of the present variant are visited; a variant with one unnamed field stands for the module in it, which adds no name.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::module(input).unwrap_or_else(|e| e.to_compile_error()).into()
}
