//! What becomes of a request, as it is written.

use postern_core::config::{AtLeastOne, Text};
use postern_core::rules::{HeaderName, Method};

use crate::place::{Located, Ordered, Place};
use crate::policy::EditPolicy;

postern_core::config! {
    /// What becomes of a request. Parts of it stand in braces: a capture of the rule's
    /// paths as `{name}`, and `{query.NAME}`, `{header.NAME}`, `{cookie.NAME}`,
    /// `{body.NAME}` (a member of the JSON body, or a field of the form),
    /// `{basic.username}`, `{basic.password}`; `{query.page ?? '1'}` is the first that is
    /// there. What needs a part that is not there is left out; without a part that the
    /// path needs, or with one that stands there several times and says different
    /// things, the request is refused (400).
    #[derive(Default)]
    pub(crate) struct RequestPolicy {
        /// Another method.
        method: Option<Located<Text>>,
        /// A method that the client names elsewhere, since it could send `POST` alone.
        method_override: Option<Located<MethodOverridePolicy>>,
        /// Another path; captures are put in as they came, escapes included, all else
        /// is percent-encoded. The query goes, but for `keep_query`.
        path: Option<Place>,
        /// Query parameters, in order; captures and parameters are put in as they came.
        /// Without a `path`, they take the place of the client's, and others stay.
        query: Ordered<Place> = Ordered::default(),
        /// Parameters of the client's query that stay; with a `path`.
        keep_query: Vec<Located<Text>> = Vec::new(),
        /// Parameters of the client's query that go; without a `path`.
        drop_query: Vec<Located<Text>> = Vec::new(),
        /// Header edits; parts of the request are put in decoded.
        headers: RequestHeadersPolicy = RequestHeadersPolicy::default(),
        /// The credential that the client sent in its own way, for `auth`. Where it
        /// stood, nothing is left of it: no parameter, header, cookie or member.
        credential: Option<CredentialPolicy>,
        /// What becomes of the body.
        body: Option<Located<BodyPolicy>>,
    }

    /// Header edits of a request, done in this order: `copy`, `rename`, `default`,
    /// `remove`, `set`. They see the headers as they came.
    #[derive(Default)]
    pub(crate) struct RequestHeadersPolicy {
        /// Headers whose values another gets too: `from: to`.
        copy: Ordered<Located<HeaderName>> = Ordered::default(),
        /// Headers that get another name: `from: to`.
        rename: Ordered<Located<HeaderName>> = Ordered::default(),
        /// Headers that get a value if they are not there.
        default: Ordered<Located<Text>> = Ordered::default(),
        /// Headers of which no copy is left.
        remove: Vec<HeaderName> = Vec::new(),
        /// Headers with one value that replaces all others.
        set: Ordered<Place> = Ordered::default(),
    }

    /// A method that stands elsewhere. It counts on `POST` alone, is taken out, and one
    /// that is not among the `methods` is refused (400).
    #[derive(PartialEq, Eq, Hash)]
    pub(crate) struct MethodOverridePolicy {
        /// The header, `x-http-method-override` for example.
        header: Option<HeaderName>,
        /// The query parameter, `_method` for example.
        query: Option<Text>,
        /// The methods that may be asked for.
        methods: AtLeastOne<Method>,
    }

    /// A credential.
    pub(crate) oneof CredentialPolicy {
        /// `Authorization: Basic` (RFC 7617).
        basic: Basic(BasicPolicy),
        /// `Authorization: Bearer` (RFC 6750).
        bearer: Bearer(Place),
        /// A key in a header of its own, which `auth` knows.
        key: Key(KeyPolicy),
    }

    /// A user and a password.
    pub(crate) struct BasicPolicy {
        /// The user.
        username: Place,
        /// The password: a key, for example.
        password: Place,
    }

    /// A key.
    pub(crate) struct KeyPolicy {
        /// The header.
        header: HeaderName,
        /// The key.
        value: Place,
    }

    /// What becomes of a request's body; of one that is empty nothing does. It is held
    /// until it is whole.
    pub(crate) struct BodyPolicy {
        /// What the client sends.
        from: BodyForm = BodyForm::Json,
        /// What the upstream gets; the same if left out.
        to: Option<BodyForm>,
        /// Edits, on JSON; a form is an object of strings, and of lists where a field is
        /// repeated. Templates take parts of the request too: `$capture.NAME`,
        /// `$query.NAME`, `$header.NAME`, `$cookie.NAME`, but no credential.
        edit: Option<EditPolicy>,
        /// What if the body is not what the client should send, or does not fit.
        on_mismatch: OnUnfit = OnUnfit::Refuse,
        /// What if it is larger than `max_body`, if not the same.
        on_too_large: Option<OnUnfit>,
    }

    /// A form of bodies.
    pub(crate) choice BodyForm {
        /// `application/json`
        Json = "json",
        /// `application/x-www-form-urlencoded`
        Form = "form",
    }

    /// What if a body does not fit.
    pub(crate) choice OnUnfit {
        /// 400, 413 or 415.
        Refuse = "refuse",
        /// It goes on as it came.
        Original = "original",
    }
}
