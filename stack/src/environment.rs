//! The variables that the demo's policies take their secrets from: test secrets, all of them.

const VARIABLES: [(&str, &str); 3] = [
    ("POSTERN_DEMO_HS256", include_str!("../keys/hs256.txt")),
    ("POSTERN_DEMO_INTROSPECTION_SECRET", include_str!("../keys/introspection.txt")),
    ("POSTERN_DEMO_EMBERLINE_SECRET", include_str!("../keys/emberline.txt")),
];

/// Each with its value, for the environment of an Envoy.
#[must_use]
pub fn variables() -> [(&'static str, String); 3] {
    VARIABLES.map(|(name, value)| (name, value.trim().to_owned()))
}

/// The value of one of them.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| value.trim().to_owned())
}
