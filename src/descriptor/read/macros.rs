// SPDX-License-Identifier: GPL-3.0-or-later
//! The macros that make a type readable. Doc comments become the descriptions of the schema.

/// A table: `required KEY: TYPE`, `optional KEY: TYPE`, `many KEY: TYPE` (a list that may be missing), `or(DEFAULT) KEY: TYPE`,
/// `nested KEY: TYPE` (a table that may be missing). `_` in a field is `-` in the file.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis struct $name:ident {
            $($(#[doc = $about:literal])+ $how:ident$(($default:expr))? $field:ident: $type:ty,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        $visibility struct $name {
            $($(#[doc = $about])+ pub $field: $crate::descriptor::read::table!(@type $how $type),)+
        }

        impl $crate::descriptor::read::Read for $name {
            fn read(
                value: &$crate::descriptor::read::Toml<'_>,
                findings: &mut $crate::descriptor::finding::Findings,
            ) -> Option<Self> {
                let table = $crate::descriptor::read::Table::open(value, findings)?;
                table.close(&<Self as $crate::descriptor::read::Fields>::keys(), findings);
                <Self as $crate::descriptor::read::Fields>::read_fields(&table, findings)
            }

            fn schema() -> serde_json::Value {
                let mut schema = $crate::descriptor::read::TableSchema::default();
                <Self as $crate::descriptor::read::Fields>::describe(&mut schema);
                schema.finish()
            }
        }

        impl $crate::descriptor::read::Fields for $name {
            fn keys() -> Vec<String> {
                vec![$($crate::descriptor::read::key(stringify!($field)),)+]
            }

            fn read_fields(
                table: &$crate::descriptor::read::Table<'_, '_>,
                findings: &mut $crate::descriptor::finding::Findings,
            ) -> Option<Self> {
                // All fields are read before any is missed: so all defects are told.
                $(let $field = table.$how::<$type>(
                    &$crate::descriptor::read::key(stringify!($field)), $($default,)? findings,
                );)+
                Some(Self { $($field: $field?,)+ })
            }

            fn describe(schema: &mut $crate::descriptor::read::TableSchema) {
                $(schema.field::<$type>(stringify!($field), stringify!($how), concat!($($about),+));)+
            }
        }
    };
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@type many $type:ty) => { Vec<$type> };
    (@type or $type:ty) => { $type };
    (@type nested $type:ty) => { $type };
}

/// A choice of words.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis enum $name:ident {
            $($(#[doc = $about:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in the file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::descriptor::read::Read for $name {
            fn read(
                value: &$crate::descriptor::read::Toml<'_>,
                findings: &mut $crate::descriptor::finding::Findings,
            ) -> Option<Self> {
                let word = String::read(value, findings)?;
                let found = Self::ALL.iter().copied().find(|known| known.as_str() == word);
                if found.is_none() {
                    findings
                        .tell(
                            $crate::descriptor::finding::Rule::FieldWord,
                            &value.span(),
                            format!("\"{}\" is no word that is known here", word.escape_debug()),
                        )
                        .maybe($crate::descriptor::finding::did_you_mean(&word, &[$($word,)+]));
                }
                found
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({
                    "oneOf": [$({ "const": $word, "description": concat!($($about),+).trim() },)+]
                })
            }
        }
    };
}

/// A text that `FromStr` judges, with the rule that a bad one breaks, and a pattern for the schema.
macro_rules! text {
    ($name:ty, $rule:ident, $schema:expr) => {
        impl $crate::descriptor::read::Read for $name {
            fn read(
                value: &$crate::descriptor::read::Toml<'_>,
                findings: &mut $crate::descriptor::finding::Findings,
            ) -> Option<Self> {
                let text = String::read(value, findings)?;
                match text.parse::<Self>() {
                    Ok(read) => Some(read),
                    Err(reason) => {
                        findings.tell(
                            $crate::descriptor::finding::Rule::$rule,
                            &value.span(),
                            format!("\"{}\": {reason}", text.escape_debug()),
                        );
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                $schema
            }
        }
    };
}

pub(in crate::descriptor) use {table, text, words};
