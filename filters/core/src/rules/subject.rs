//! What rules are matched against.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

use crate::conditions::address_of;
use crate::config::Text;
use crate::headers::Headers;
use crate::host::Host;
use crate::host_name::host_of;
use crate::sight::{Sight, Sighted};
use crate::target::Target;
use crate::truth::Truth;
use crate::view::Request;

/// What rules are matched against, taken from a request once.
pub struct Subject<'a> {
    /// The canonical host.
    pub host: Option<Cow<'a, str>>,
    /// The method; empty if there is none.
    pub method: &'a [u8],
    /// The canonical target.
    pub target: &'a Target<'a>,
    /// All headers.
    pub headers: &'a Headers<'a>,
    /// Does the request end with its headers?
    pub end_of_stream: bool,
    sight: Option<&'a Sight>,
    proxy: &'a dyn Host,
    route: OnceCell<Option<Vec<u8>>>,
    address: OnceCell<Option<IpAddr>>,
    now: OnceCell<Duration>,
}

impl<'a> Subject<'a> {
    /// From a request whose target was checked.
    #[must_use]
    pub fn new(request: &'a Request<'a>, target: &'a Target<'a>, proxy: &'a dyn Host) -> Self {
        let host = host_of(request.authority()).map(Cow::Owned);
        let method = request.method().unwrap_or_default();
        Subject::with(request, host, method, target, None, proxy)
    }

    /// The same of a request that may have been seen before.
    #[must_use]
    pub fn of(request: &'a Request<'a>, seen: &'a Sighted<'a>, proxy: &'a dyn Host) -> Self {
        let host = seen.host().map(Cow::Borrowed);
        Subject::with(request, host, seen.method(), &seen.target, seen.sight(), proxy)
    }

    fn with(
        request: &'a Request<'a>,
        host: Option<Cow<'a, str>>,
        method: &'a [u8],
        target: &'a Target<'a>,
        sight: Option<&'a Sight>,
        proxy: &'a dyn Host,
    ) -> Self {
        Subject {
            host,
            method,
            target,
            headers: request.headers(),
            end_of_stream: request.is_end_of_stream(),
            sight,
            proxy,
            route: OnceCell::new(),
            address: OnceCell::new(),
            now: OnceCell::new(),
        }
    }

    /// The client's address, as the proxy knows it by its trusted hops. The
    /// proxy is asked when it is first needed, once. `None`: it has none that
    /// can be read.
    pub fn client_address(&self) -> Option<IpAddr> {
        *self.address.get_or_init(|| address_of(&self.proxy.property(&["source", "address"])?))
    }

    /// The time since the Unix epoch, read once.
    pub fn now(&self) -> Duration {
        *self.now.get_or_init(|| self.proxy.now())
    }

    /// What is kept of requests like it.
    pub(super) fn sight(&self) -> Option<&'a Sight> {
        self.sight
    }

    pub(super) fn route_is_of(&self, names: &[Text]) -> Truth {
        let route = self.route.get_or_init(|| self.proxy.property(&["xds", "route_name"]));
        let is = |route: &Vec<u8>| names.iter().any(|name| name.as_str().as_bytes() == route);
        route.as_ref().map(is).into()
    }
}
