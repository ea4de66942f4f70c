//! What is mounted in each Envoy. All else of it is alike.

/// One Envoy of the bench.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name in the table.
    pub name: &'static str,
    /// Its filters in order; the router comes after them.
    pub mounts: &'static [Mount],
    /// What it has to do.
    pub does: Does,
    /// Whose tokens it gets.
    pub tokens: Sent,
    /// Which build of our filters.
    pub modules: Modules,
    /// What runs.
    pub program: Program,
    /// How many rules the policies of `legacy-compat` and `authz` have.
    pub rules: Rules,
    /// The variant whose cost is taken off for what this one *adds*; none for
    /// those that only proxy in a program of their own.
    pub base: Option<&'static str>,
}

/// A gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Envoy with the variant's filters.
    Envoy,
    /// HAProxy with `tests/bench/haproxy/NAME.cfg`.
    HaProxy(&'static str),
    /// `tests/bench/node/gateway.mjs`.
    Node,
}

/// The size of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The demo's.
    Demo,
    /// With [`MANY`] more, which no request of the load meets.
    Many,
}

/// Further rules of each policy, where there are many.
pub const MANY: usize = 9_900;

/// Where our filters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modules {
    /// This checkout.
    Here,
    /// The folder that they are compared with.
    Other,
}

/// The tokens of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Those of 2,000 callers in turn, so that a cache has them all.
    InTurn,
    /// Each once.
    Once,
}

/// One filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    /// One of ours, with the demo's policy.
    Ours(&'static str),
    /// A stock filter: `tests/bench/stock/NAME.yaml`.
    Stock(&'static str),
    /// `jwt_authn` with its cache of checked tokens, or without.
    JwtAuthn { cache: bool },
    /// A filter that does nothing, straight on the SDK.
    Empty,
    /// A filter that does nothing, through `filters/host`.
    Shell,
    /// `legacy-compat` with one rule that edits JSON answers.
    Edits,
    /// A filter that makes one of ours' calls to the proxy and nothing else.
    Crossings(&'static str),
}

/// What a variant has to do, so that figures compare like with like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing but pass requests on.
    Proxy,
    /// A part of a gateway's work.
    Part,
    /// All of it, as our four filters.
    Ours,
    /// All of it, as stock filters.
    Stock { cache: bool },
    /// All of it, in another program.
    Peer,
}

use Mount::{Crossings, Edits, Empty, JwtAuthn, Ours, Shell, Stock};

const BARE: Variant = Variant {
    name: "bare",
    mounts: &[],
    does: Does::Proxy,
    tokens: Sent::InTurn,
    modules: Modules::Here,
    program: Program::Envoy,
    rules: Rules::Demo,
    base: Some("bare"),
};
const AGAIN: Variant = Variant { name: "bare again", ..BARE };
const EMPTY: Variant = Variant { name: "empty", mounts: &[Empty, Empty, Empty, Empty], ..BARE };
const OURS: Variant = Variant {
    name: "ours",
    mounts: &[Ours("legacy-compat"), Ours("auth"), Ours("rate-limit"), Ours("authz")],
    does: Does::Ours,
    ..BARE
};
const OURS_COLD: Variant = Variant { name: "ours, cold", tokens: Sent::Once, ..OURS };

const STOCK_CACHE: Variant = Variant {
    name: "stock+cache",
    mounts: &[
        Stock("arrive"),
        JwtAuthn { cache: true },
        Stock("identify"),
        Stock("local-ratelimit"),
        Stock("rbac"),
    ],
    does: Does::Stock { cache: true },
    ..BARE
};
const STOCK_COLD: Variant = Variant {
    name: "stock, cold",
    mounts: &[
        Stock("arrive"),
        JwtAuthn { cache: false },
        Stock("identify"),
        Stock("local-ratelimit"),
        Stock("rbac"),
    ],
    does: Does::Stock { cache: false },
    tokens: Sent::Once,
    ..BARE
};

const fn part(name: &'static str, mounts: &'static [Mount]) -> Variant {
    Variant { name, mounts, does: Does::Part, ..BARE }
}

const CROSSINGS: Variant = part(
    "crossings",
    &[Crossings("legacy-compat"), Crossings("auth"), Crossings("rate-limit"), Crossings("authz")],
);
/// With the check of a signature, which the host does.
const CROSSINGS_COLD: Variant = Variant {
    name: "crossings, cold",
    mounts: &[
        Crossings("legacy-compat"),
        Crossings("auth-cold"),
        Crossings("rate-limit"),
        Crossings("authz"),
    ],
    tokens: Sent::Once,
    ..CROSSINGS
};

/// The comparison. The first is what the others are paired with; a second one
/// like it shows the noise.
pub const COMPARED: &[Variant] = &[BARE, AGAIN, EMPTY, STOCK_CACHE, OURS, STOCK_COLD, OURS_COLD];

const HAPROXY_BARE: Variant =
    Variant { name: "HAProxy, bare", program: Program::HaProxy("bare"), base: None, ..BARE };

/// The comparison with programs that are not Envoy, and with large policies. HAProxy has
/// no cache of tokens, and Node's gateway none either: what they get does not matter.
pub const PEERS: &[Variant] = &[
    BARE,
    AGAIN,
    EMPTY,
    STOCK_CACHE,
    OURS,
    Variant { name: "ours, many rules", rules: Rules::Many, ..OURS },
    STOCK_COLD,
    OURS_COLD,
    HAPROXY_BARE,
    Variant {
        name: "HAProxy",
        program: Program::HaProxy("gateway"),
        does: Does::Peer,
        base: Some("HAProxy, bare"),
        ..BARE
    },
    Variant { name: "Node.js", program: Program::Node, does: Does::Peer, ..BARE },
];

/// What is measured in other ways than by its CPU time: Envoy alone, our filters, and the
/// stock ones.
pub const SPEED: &[Variant] = &[BARE, STOCK_CACHE, OURS];
/// The JSON edits.
pub const EDITS: Variant = part("edits", &[Edits]);
/// What is measured of memory.
pub const MEMORY: &[Variant] = &[BARE, EMPTY, STOCK_CACHE, OURS];

/// Two builds of our filters: this checkout's and another's.
pub const BUILDS: &[Variant] = &[
    BARE,
    AGAIN,
    OURS,
    Variant { name: "other", modules: Modules::Other, ..OURS },
    OURS_COLD,
    Variant { name: "other, cold", modules: Modules::Other, ..OURS_COLD },
];

/// What a chain of Wasm filters costs that makes our filters' calls to the proxy and
/// computes nothing, beside ours and the stock chain.
pub const FLOOR: &[Variant] =
    &[BARE, AGAIN, STOCK_CACHE, CROSSINGS, OURS, STOCK_COLD, CROSSINGS_COLD, OURS_COLD];

/// Where the time goes: each of our filters added to those before it.
pub const PARTS: &[Variant] = &[
    BARE,
    AGAIN,
    part("empty 1", &[Empty]),
    EMPTY,
    part("shell 1", &[Shell]),
    part("shell 4", &[Shell, Shell, Shell, Shell]),
    CROSSINGS,
    part("legacy-compat", &[Ours("legacy-compat")]),
    part("+ auth", &[Ours("legacy-compat"), Ours("auth")]),
    part("+ rate-limit", &[Ours("legacy-compat"), Ours("auth"), Ours("rate-limit")]),
    OURS,
];

/// The same for the stock filters.
pub const STOCK_PARTS: &[Variant] = &[
    BARE,
    AGAIN,
    part("lua", &[Stock("arrive")]),
    part("+ jwt_authn", &[Stock("arrive"), JwtAuthn { cache: true }]),
    part("+ lua", &[Stock("arrive"), JwtAuthn { cache: true }, Stock("identify")]),
    part(
        "+ local_ratelimit",
        &[Stock("arrive"), JwtAuthn { cache: true }, Stock("identify"), Stock("local-ratelimit")],
    ),
    STOCK_CACHE,
];

/// What each of our filters computes: a stand-in in its place.
pub const COMPUTED: &[Variant] = &[
    BARE,
    OURS,
    part(
        "legacy-compat idle",
        &[Crossings("legacy-compat"), Ours("auth"), Ours("rate-limit"), Ours("authz")],
    ),
    part(
        "auth idle",
        &[Ours("legacy-compat"), Crossings("auth"), Ours("rate-limit"), Ours("authz")],
    ),
    part(
        "rate-limit idle",
        &[Ours("legacy-compat"), Ours("auth"), Crossings("rate-limit"), Ours("authz")],
    ),
    part(
        "authz idle",
        &[Ours("legacy-compat"), Ours("auth"), Ours("rate-limit"), Crossings("authz")],
    ),
    CROSSINGS,
];
