//! A request to evaluate expressions over.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests and fuzzing; nothing of this is in a module"
)]

use postern_core::conditions::Query;
use postern_core::identity::Seen;
use postern_core::template::Template;
use postern_core::{Headers, Target};

use super::{Budget, Claims, Expression, Scope, Why};

/// What expressions are evaluated over in a test.
pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) template: &'a str,
    pub(super) headers: &'a [(&'a str, &'a [u8])],
    pub(super) end_of_stream: bool,
    pub(super) identity: &'a [u8],
}

pub(super) const PLAIN: Request<'_> = Request {
    method: b"GET",
    path:
        b"/v3/market/user/alice%20b?limit=5&q=a+b&twice=x&twice=y&same=1&same=1&empty&cut=1;apart=2",
    template: "/v3/market/user/{name}",
    headers: &[
        ("x-team", b"blue"),
        ("x-twice", b"a"),
        ("x-twice", b"b"),
        ("x-same", b"a"),
        ("x-same", b"a"),
        ("x-bytes", b"\xff"),
    ],
    end_of_stream: true,
    identity: br#"{"v":1,"sub":"alice b","iss":"https://id.example.com","client":"app",
        "scopes":["read:x","write:x"],"provider":"idp","credential":"api_key:k1","plan":"gold",
        "claims":{"team":"blue","level":7,"rate":0.5,"admin":true,"none":null,
        "tags":["a",1,true,null],"deep":{"a":[{"b":"c"}]},"big":9223372036854775807,
        "huge":9223372036854775808,"exact":9007199254740993}}"#,
};

impl Request<'_> {
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<bool, Why> {
        self.seen_by(|scope| expression.holds(scope))
    }

    /// What is made of it.
    pub(super) fn seen_by<R>(&self, look: impl FnOnce(&Scope<'_>) -> R) -> R {
        let target = Target::parse(Some(self.path)).unwrap();
        let template = Template::parse(self.template).unwrap();
        let headers = Headers::new(self.headers.iter().map(|(n, v)| (*n, *v)));
        let identity = Seen::read(self.identity).unwrap();
        let caller = match &identity {
            Seen::Anonymous => None,
            Seen::Known(caller) => Some(&**caller),
        };
        look(&Scope {
            method: self.method,
            host: Some("api.example.com"),
            target: &target,
            query: &Query::default(),
            headers: &headers,
            end_of_stream: self.end_of_stream,
            caller,
            claims: &Claims::default(),
            template: Some(&template),
            budget: &Budget::default(),
        })
    }
}
