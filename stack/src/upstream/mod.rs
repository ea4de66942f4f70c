//! The marketplace API behind the gateway, over `stack/demo.json`.
//!
//! It trusts whom the gateway names in `x-postern-subject`, as an upstream that nobody else can
//! reach may, and does not look at scopes: that is the gateway's to decide.

mod fault;
mod market;
mod private;
mod recorder;

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use tower_http::compression::CompressionLayer;

use crate::data::Data;
use crate::keys::Keys;
use crate::oauth;
use crate::reply::Failure;
use crate::tokens::Tokens;

pub use recorder::{Recorder, Seen};

/// What the handlers share.
pub(crate) struct Upstream {
    pub(crate) data: Data,
    pub(crate) keys: RwLock<Keys>,
    pub(crate) refresh: Tokens,
}

/// The whole upstream. Each router has a memory of its own, which `recorder` reads.
///
/// # Errors
/// The committed keys or data cannot be read.
pub fn router(recorder: &Recorder) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let upstream = Arc::new(Upstream {
        data: Data::embedded()?,
        keys: RwLock::new(Keys::embedded()?),
        refresh: Tokens::default(),
    });
    let api = Router::new()
        .route("/whoami", get(private::whoami))
        .route("/token", post(token))
        .route("/v1/market/{set}", get(market::public_set))
        .route("/v1/market/private/user/{set}", get(private::user_set))
        .route("/v1/discovery/search/search/item", get(market::search))
        .route("/v2/market/catalog/item", get(market::catalog_item))
        .route("/v2/market/buyer/list-purchases", get(private::list_purchases))
        .route("/v2/market/buyer/download", get(private::download))
        .route("/v3/market/catalog/item", get(market::catalog_item))
        .route("/v3/market/author/sales", get(private::author_sales))
        .route("/v3/market/author/sale", get(private::author_sale))
        .route("/v3/market/buyer/list-purchases", get(private::list_purchases))
        .route("/v3/market/buyer/purchase", get(private::buyer_purchase))
        .route("/v3/market/buyer/download", get(private::download))
        .route("/v3/market/user/statement", get(private::statement))
        .route("/__echo", any(fault::echo))
        .route("/__echo/{*rest}", any(fault::echo))
        .route("/__fault", any(fault::described))
        .route("/__fault/{*rest}", any(fault::described))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(upstream)
        .layer(middleware::from_fn(fault::replace))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(fault::inject))
        .layer(middleware::from_fn_with_state(recorder.clone(), recorder::record));
    let own = Router::new()
        .route("/__health", get(|| async { "ok\n" }))
        .route("/__requests", get(recorder::list).delete(recorder::forget))
        .method_not_allowed_fallback(no_such_method)
        .with_state(recorder.clone());
    Ok(own.merge(api))
}

async fn token(
    axum::extract::State(upstream): axum::extract::State<Arc<Upstream>>,
    request: Request,
) -> Response {
    oauth::token(&upstream.keys, &upstream.data, &upstream.refresh, request).await
}

async fn no_such_route(uri: Uri) -> Response {
    Failure::not_found(format!("no resource at {}", uri.path())).into_response()
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let description = format!("{method} is not supported at {}", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, description).into_response()
}
