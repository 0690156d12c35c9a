//! The one macro for number registries: a newtype whose named values are constants and whose unknown values survive.

/// Declares a registry: `values` for one-of numbers, `bits` for sets of flags. Each row is a constant, its number and the
/// specification's name for it.
macro_rules! numbers {
    (
        $(#[$doc:meta])*
        values $name:ident($repr:ty) { $($constant:ident = $value:expr, $text:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                pub const $constant: $name = $name($value);
            )*

            /// The specification's name, if it has one for this number.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $($name::$constant => Some($text),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.name() {
                    Some(name) => serializer.serialize_str(name),
                    None => serializer.serialize_u64(u64::from(self.0)),
                }
            }
        }
    };
    (
        $(#[$doc:meta])*
        bits $name:ident($repr:ty) { $($constant:ident = $value:expr, $text:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $repr);

        impl $name {
            /// No bit set.
            pub const NONE: $name = $name(0);
            $(
                #[doc = concat!("`", $text, "`.")]
                pub const $constant: $name = $name($value);
            )*
            /// The bits that the specification names.
            pub const KNOWN: $name = $name(0 $(| $value)*);

            /// Whether all bits of `other` are set.
            pub const fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether bits are set that the specification doesn't name.
            pub const fn has_unknown(self) -> bool {
                self.0 & !$name::KNOWN.0 != 0
            }

            /// The names of the set bits, lowest row first.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                const ROWS: &[($repr, &str)] = &[$(($value, $text)),*];
                ROWS.iter().filter(move |(bits, _)| *bits != 0 && self.0 & bits == *bits).map(|(_, name)| *name)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut separator = "";
                for name in self.names() {
                    write!(f, "{separator}{name}")?;
                    separator = "|";
                }
                let unknown = self.0 & !$name::KNOWN.0;
                if unknown != 0 || self.0 == 0 {
                    write!(f, "{separator}{unknown:#x}")?;
                }
                Ok(())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let unknown = self.0 & !$name::KNOWN.0;
                let unknown = (unknown != 0).then(|| format!("{unknown:#x}"));
                serializer.collect_seq(self.names().map(String::from).chain(unknown))
            }
        }
    };
}

pub(crate) use numbers;
