//! Declarations of configuration types.

/// Declares configuration types. `field: Type` is required unless the type is
/// an `Option`; `field: Type = expression` has a default. A leading `r#` of a
/// field is not part of its key.
///
/// - `struct`: a mapping with known keys; further traits may be derived;
/// - `choice`: one of a few words: `Enforce = "enforce"`;
/// - `oneof`: a mapping with exactly one key, which says what it holds.
#[macro_export]
macro_rules! config {
    () => {};
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derived:ident),*)])?
        $vis:vis struct $name:ident {
            $( $(#[doc = $fdoc:literal])* $field:ident : $ty:ty $(= $default:expr)? ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug $(, $($derived),*)?)]
        $vis struct $name {
            $( $(#[doc = $fdoc])* $vis $field: $ty, )*
        }
        impl $crate::config::Decode for $name {
            fn decode(
                at: $crate::config::At<'_>,
                errors: &mut $crate::config::Errors,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$( $crate::config_key!($field) ),*];
                let entries = at.known(KNOWN, errors)?;
                $(
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<fn() -> $ty> = None;
                    $( default = Some(|| $default); )?
                    let $field = at.field::<$ty>(
                        &entries, $crate::config_key!($field), default, errors,
                    );
                )*
                // One way out for all that may be missing: dropping what was decoded is
                // much code.
                match ($($field,)*) {
                    ($(Some($field),)*) => Some($name { $($field),* }),
                    _ => None,
                }
            }

            fn schema() -> $crate::config::schema::Schema {
                $crate::config::schema::Schema::Object {
                    name: stringify!($name),
                    doc: || [$($doc),*].map(str::trim).join("\n"),
                    fields: || vec![$(
                        $crate::config::schema::Field {
                            name: $crate::config_key!($field),
                            doc: [$($fdoc),*].map(str::trim).join("\n"),
                            schema: <$ty as $crate::config::Decode>::schema(),
                            required: $crate::config_required!($ty $(, $default)?),
                            default: $crate::config_default!($($default)?),
                        }
                    ),*],
                    one_of: false,
                }
            }
        }
        $crate::config! { $($rest)* }
    };
    (
        $(#[doc = $doc:literal])*
        $vis:vis choice $name:ident {
            $( $(#[doc = $vdoc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $( $(#[doc = $vdoc])* $variant, )*
        }
        impl $crate::config::Decode for $name {
            fn decode(
                at: $crate::config::At<'_>,
                errors: &mut $crate::config::Errors,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                let expected = $crate::config::schema::words(WORDS);
                $crate::config::decode_text(at, errors, &expected, |text| match text {
                    $( $word => Ok($name::$variant), )*
                    _ => Err($crate::config::no_word(WORDS, &expected, text)),
                })
            }

            fn schema() -> $crate::config::schema::Schema {
                $crate::config::schema::Schema::Choice {
                    name: stringify!($name),
                    words: vec![$( ($word, [$($vdoc),*].map(str::trim).join("\n")) ),*],
                }
            }
        }
        $crate::config! { $($rest)* }
    };
    (
        $(#[doc = $doc:literal])*
        $vis:vis oneof $name:ident {
            $( $(#[doc = $vdoc:literal])* $key:ident : $variant:ident($ty:ty) ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        $vis enum $name {
            $( $(#[doc = $vdoc])* $variant($ty), )*
        }
        impl $crate::config::Decode for $name {
            fn decode(
                at: $crate::config::At<'_>,
                errors: &mut $crate::config::Errors,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$( $crate::config_key!($key) ),*];
                let entries = at.entries(errors)?;
                let mut known = Vec::new();
                for entry in &entries {
                    let (key, _) = entry;
                    if KNOWN.contains(&key.text.as_str()) {
                        known.push(entry);
                    } else {
                        at.unknown_key(errors, key, KNOWN);
                    }
                }
                let [(key, node)] = known.as_slice() else {
                    if entries.len() != 1 || known.len() > 1 {
                        let expected = $crate::config::schema::words(KNOWN);
                        at.error(errors, format!("expected exactly one key of {expected}"));
                    }
                    return None;
                };
                $(
                    if key.text == $crate::config_key!($key) {
                        let at = at.key(&key.text, node);
                        return <$ty as $crate::config::Decode>::decode(at, errors)
                            .map($name::$variant);
                    }
                )*
                None
            }

            fn schema() -> $crate::config::schema::Schema {
                $crate::config::schema::Schema::Object {
                    name: stringify!($name),
                    doc: || [$($doc),*].map(str::trim).join("\n"),
                    fields: || vec![$(
                        $crate::config::schema::Field {
                            name: $crate::config_key!($key),
                            doc: [$($vdoc),*].map(str::trim).join("\n"),
                            schema: <$ty as $crate::config::Decode>::schema(),
                            required: false,
                            default: None,
                        }
                    ),*],
                    one_of: true,
                }
            }
        }
        $crate::config! { $($rest)* }
    };
}

/// The key of a field: its identifier without `r#`.
#[doc(hidden)]
#[macro_export]
macro_rules! config_key {
    ($field:ident) => {{
        const RAW: &str = stringify!($field);
        const KEY: &str = match RAW.as_bytes() {
            [b'r', b'#', rest @ ..] => match ::std::str::from_utf8(rest) {
                Ok(key) => key,
                Err(_) => RAW,
            },
            _ => RAW,
        };
        KEY
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! config_required {
    ($ty:ty) => {
        <$ty as $crate::config::Decode>::absent().is_none()
    };
    ($ty:ty, $default:expr) => {
        false
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! config_default {
    () => {
        None
    };
    ($default:expr) => {
        Some(stringify!($default))
    };
}
