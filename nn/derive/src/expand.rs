//! What the derive macro writes.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericParam, Ident, LitStr, Path, Result, Type};

/// The path of the crate `nn` where the macro is used: itself, or as a part of the facade.
fn nn() -> TokenStream {
    let named = |name: &str, rest: TokenStream| match crate_name(name) {
        Ok(FoundCrate::Name(found)) => {
            let found = Ident::new(&found, Span::call_site());
            Some(quote!(::#found #rest))
        }
        Ok(FoundCrate::Itself) => {
            let own = format_ident!("{}", name.replace('-', "_"));
            Some(quote!(::#own #rest))
        }
        Err(_) => None,
    };
    named("rushlight-nn", quote!()).or_else(|| named("rushlight", quote!(::nn))).unwrap_or_else(|| quote!(::rushlight_nn))
}

/// What `#[module(..)]` on the type says.
#[derive(Default)]
struct TypeArgs {
    name: Option<LitStr>,
    extra_repr: Option<Path>,
}

impl TypeArgs {
    fn parse(input: &DeriveInput) -> Result<TypeArgs> {
        let mut args = TypeArgs::default();
        for attr in input.attrs.iter().filter(|a| a.path().is_ident("module")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    args.name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("extra_repr") {
                    args.extra_repr = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("expected `name = \"...\"` or `extra_repr = function`"));
                }
                Ok(())
            })?;
        }
        Ok(args)
    }
}

/// What `#[module(..)]` on a field says.
#[derive(Default)]
struct FieldArgs {
    skip: bool,
    rename: Option<LitStr>,
}

impl FieldArgs {
    fn parse(field: &Field) -> Result<FieldArgs> {
        let mut args = FieldArgs::default();
        for attr in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    args.skip = true;
                } else if meta.path.is_ident("rename") {
                    let name: LitStr = meta.value()?.parse()?;
                    if name.value().is_empty() || name.value().contains('.') {
                        return Err(Error::new(name.span(), "a part's name must not be empty or hold a dot"));
                    }
                    args.rename = Some(name);
                } else {
                    return Err(meta.error("expected `skip` or `rename = \"...\"`"));
                }
                Ok(())
            })?;
        }
        Ok(args)
    }
}

/// The parts of a struct or variant: what to bind, what to visit, and the types that must be fields.
struct Parts<'a> {
    pattern: TokenStream,
    visits: TokenStream,
    types: Vec<&'a Type>,
}

/// `path` is the struct or variant; its fields are bound by a pattern and visited.
fn parts<'a>(nn: &TokenStream, path: &TokenStream, fields: &'a Fields, transparent: bool) -> Result<Parts<'a>> {
    let (mut binds, mut visits, mut types) = (Vec::new(), TokenStream::new(), Vec::new());
    let single = transparent && matches!(fields, Fields::Unnamed(f) if f.unnamed.len() == 1);
    for (i, field) in fields.iter().enumerate() {
        let args = FieldArgs::parse(field)?;
        let member = match &field.ident {
            Some(ident) => quote!(#ident),
            None => {
                let index = syn::Index::from(i);
                quote!(#index)
            }
        };
        if args.skip {
            continue;
        }
        let binding = format_ident!("part_{}", i);
        let name = match (&args.rename, &field.ident) {
            (Some(name), _) => name.value(),
            (None, Some(ident)) => ident.to_string().trim_start_matches("r#").to_owned(),
            (None, None) => i.to_string(),
        };
        let (span, ty) = (field.ty.span(), &field.ty);
        visits.extend(if single {
            quote_spanned!(span=> <#ty as #nn::Module>::visit(#binding, visitor);)
        } else {
            quote_spanned!(span=> <#ty as #nn::Field>::visit_field(#binding, #name, visitor);)
        });
        binds.push(quote!(#member: #binding));
        types.push(ty);
    }
    Ok(Parts { pattern: quote!(#path { #(#binds,)* .. }), visits, types })
}

pub(crate) fn module(input: DeriveInput) -> Result<TokenStream> {
    let nn = nn();
    let TypeArgs { name, extra_repr } = TypeArgs::parse(&input)?;
    let ident = &input.ident;
    let name = name.map_or_else(|| ident.to_string(), |n| n.value());

    let mut types = Vec::new();
    let mut arms = TokenStream::new();
    match &input.data {
        Data::Struct(data) => {
            let Parts { pattern, visits, types: t } = parts(&nn, &quote!(Self), &data.fields, false)?;
            arms.extend(quote!(#pattern => { #visits }));
            types.extend(t);
        }
        Data::Enum(data) => {
            for variant in &data.variants {
                let v = &variant.ident;
                let Parts { pattern, visits, types: t } = parts(&nn, &quote!(Self::#v), &variant.fields, true)?;
                arms.extend(quote!(#pattern => { #visits }));
                types.extend(t);
            }
            if data.variants.is_empty() {
                return Err(Error::new(ident.span(), "an enum without variants cannot be a module"));
            }
        }
        Data::Union(_) => return Err(Error::new(ident.span(), "a union cannot be a module")),
    }

    // Fields of generic types must be fields of modules; of others the compiler tells at the field itself.
    let mut generics = input.generics.clone();
    let params: Vec<Ident> =
        generics.params.iter().filter_map(|p| if let GenericParam::Type(t) = p { Some(t.ident.clone()) } else { None }).collect();
    let bounded: Vec<&Type> = types.into_iter().filter(|t| mentions(quote!(#t), &params)).collect();
    if !bounded.is_empty() {
        let clause = generics.make_where_clause();
        for t in bounded {
            clause.predicates.push(syn::parse_quote!(#t: #nn::Field));
        }
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let extra = extra_repr.map(|path| {
        quote! {
            fn extra_repr(&self) -> ::std::string::String { #path(self) }
        }
    });

    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #nn::Module for #ident #type_generics #where_clause {
            #[allow(unused_variables)]
            fn visit(&self, visitor: &mut dyn #nn::Visitor) {
                match self { #arms }
            }

            fn type_name(&self) -> &'static str { #name }

            #extra
        }

        #[automatically_derived]
        impl #impl_generics ::std::fmt::Display for #ident #type_generics #where_clause {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&#nn::Module::repr(self))
            }
        }
    })
}

/// Whether one of the identifiers occurs in the tokens.
fn mentions(tokens: TokenStream, idents: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(i) => idents.contains(&i),
        proc_macro2::TokenTree::Group(g) => mentions(g.stream(), idents),
        _ => false,
    })
}
