//! What only its owner may ask, on the word of the gateway.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Upstream;
use super::market::wanted_item;
use crate::data::{Account, Data, Item, Sale, Summary};
use crate::reply::{Failure, Fields, json_reply};

/// Entries of one page.
const PAGE: usize = 20;
/// Seconds that a personal token lives: what `/whoami` says of every credential.
const LIFETIME: u64 = 315_360_000;
const UNKNOWN_SALE: &str = "No sale belonging to the current user found with that code";
const UNKNOWN_PURCHASE: &str = "No purchase belonging to the current user found with that code";

/// `GET /whoami`, in the recorded shape, `clientId` null as it was recorded.
pub(super) async fn whoami(
    State(upstream): State<Arc<Upstream>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, &headers)?;
    let scopes = said(&headers, "x-postern-scopes").unwrap_or_default();
    let scopes: Vec<&str> = scopes.split_ascii_whitespace().collect();
    Ok(json_reply(&WhoAmI { client_id: None, user_id: caller.id, scopes, ttl: LIFETIME }))
}

/// `GET /v1/market/private/user/{account,username,email,earnings-and-sales-by-month}.json`
pub(super) async fn user_set(
    State(upstream): State<Arc<Upstream>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, &headers)?;
    let Path(segment) = path.map_err(|_| Failure::bad_request("the path is not UTF-8"))?;
    let set = segment.strip_suffix(".json").unwrap_or_default();
    let body = match set {
        "account" => json!({
            "image": caller.image,
            "firstname": caller.firstname,
            "surname": caller.surname,
            "available_earnings": caller.available_earnings,
            "total_deposits": caller.total_deposits,
            "balance": caller.balance,
            "country": caller.country,
        }),
        "username" => json!(caller.username),
        "email" => json!(caller.email),
        "earnings-and-sales-by-month" => json!(caller.earnings_by_month),
        _ => return Err(Failure::not_found(format!("no private set is called `{segment}`"))),
    };
    Ok(json_reply(&Map::from_iter([(set.to_owned(), body)])))
}

/// `GET /v3/market/author/sales?page=`
pub(super) async fn author_sales(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let sales: Vec<&Sale> =
        upstream.data.sales.iter().filter(|sale| sale.author == caller.username).collect();
    let page: Vec<Value> = page(&request, &sales)?
        .iter()
        .map(|sale| {
            json!({
                "amount": sale.amount,
                "sold_at": sale.sold_at,
                "license": sale.license,
                // A list names the item; `sale` describes it.
                "item": upstream.data.item_sold(sale).map(|it| json!({"id": it.id, "name": it.name})),
            })
        })
        .collect();
    Ok(json_reply(&page))
}

/// `GET /v3/market/author/sale?code=`
pub(super) async fn author_sale(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let fields = Fields::of_query(&request);
    let code = fields.need("code")?;
    let sale = upstream
        .data
        .sales
        .iter()
        .find(|sale| sale.author == caller.username && sale.code == code)
        .ok_or_else(|| Failure::not_found(UNKNOWN_SALE))?;
    Ok(json_reply(&json!({
        "amount": sale.amount,
        "sold_at": sale.sold_at,
        "license": sale.license,
        "buyer": sale.buyer,
        "purchase_count": sale.purchase_count,
        "item": upstream.data.item_sold(sale),
    })))
}

/// `GET /v3/market/buyer/list-purchases[?filter_by=wordpress-themes]`
pub(super) async fn list_purchases(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let fields = Fields::of_query(&request);
    let kind = match fields.given("filter_by") {
        None => Kind::Any,
        Some("wordpress-themes") => Kind::WordPressTheme,
        Some("wordpress-plugins") => Kind::WordPressPlugin,
        Some(other) => {
            return Err(Failure::bad_request(format!(
                "filter_by: `{other}` is not known, expected `wordpress-themes` or \
                 `wordpress-plugins`"
            )));
        }
    };
    let results: Vec<Purchase<'_>> = purchases(&upstream.data, &caller)
        .filter(|(_, item)| kind.holds(item))
        .map(|(sale, item)| Purchase::of(sale, item))
        .collect();
    Ok(json_reply(&json!({ "results": results })))
}

/// `GET /v3/market/buyer/purchase?code=`
pub(super) async fn buyer_purchase(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let fields = Fields::of_query(&request);
    let (sale, item) = purchase(&upstream.data, &caller, fields.need("code")?)?;
    Ok(json_reply(&Purchase::of(sale, item)))
}

/// `GET /v3/market/buyer/download?item_id=` or `?purchase_code=`, of what the caller bought.
pub(super) async fn download(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let fields = Fields::of_query(&request);
    let item = if let Some(code) = fields.given("purchase_code") {
        purchase(&upstream.data, &caller, code)?.1
    } else {
        let wanted = wanted_item(&upstream.data, fields.need("item_id")?)?;
        let not_bought = "No purchase of that item belonging to the current user found";
        purchases(&upstream.data, &caller)
            .map(|(_, item)| item)
            .find(|item| item.summary.id == wanted.summary.id)
            .ok_or_else(|| Failure::not_found(not_bought))?
    };
    Ok(json_reply(&json!({
        "download_url": format!("https://downloads.example.net/{}/package.zip", item.summary.id),
        // Null in the contract, whatever the item is: the package holds the theme.
        "wordpress_theme": null,
    })))
}

/// `GET /v3/market/user/statement?page=`
pub(super) async fn statement(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let caller = caller(&upstream.data, request.headers())?;
    let results = page(&request, &caller.statement)?;
    Ok(json_reply(&json!({"count": caller.statement.len(), "results": results})))
}

/// Whom the gateway vouches for.
fn caller(data: &Data, headers: &HeaderMap) -> Result<Account, Failure> {
    let subject = said(headers, "x-postern-subject")
        .filter(|subject| !subject.is_empty())
        .ok_or_else(|| Failure::new(StatusCode::UNAUTHORIZED, "the gateway named no caller"))?;
    Ok(data.user(&subject).cloned().unwrap_or_else(|| Account::fresh(&subject)))
}

fn said(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The page that the query asks for, from 1; empty after the last.
fn page<'e, T>(request: &Request, entries: &'e [T]) -> Result<&'e [T], Failure> {
    let fields = Fields::of_query(request);
    let text = fields.given("page").unwrap_or("1");
    let number: usize = text
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| Failure::bad_request(format!("page `{text}` is not a number from 1")))?;
    Ok(entries.chunks(PAGE).nth(number - 1).unwrap_or_default())
}

fn purchases<'d>(data: &'d Data, caller: &Account) -> impl Iterator<Item = (&'d Sale, &'d Item)> {
    data.sales
        .iter()
        .filter(move |sale| sale.buyer == caller.username)
        .filter_map(|sale| data.item(sale.item_id).map(|item| (sale, item)))
}

fn purchase<'d>(
    data: &'d Data,
    caller: &Account,
    code: &str,
) -> Result<(&'d Sale, &'d Item), Failure> {
    purchases(data, caller)
        .find(|(sale, _)| sale.code == code)
        .ok_or_else(|| Failure::not_found(UNKNOWN_PURCHASE))
}

enum Kind {
    Any,
    WordPressTheme,
    WordPressPlugin,
}

impl Kind {
    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Any => true,
            Self::WordPressTheme => item.wordpress_theme_metadata.is_some(),
            Self::WordPressPlugin => {
                item.summary.site == "codecanyon" && item.summary.category.starts_with("wordpress/")
            }
        }
    }
}

/// Members in the recorded order.
#[derive(Serialize)]
struct WhoAmI<'r> {
    #[serde(rename = "clientId")]
    client_id: Option<&'r str>,
    #[serde(rename = "userId")]
    user_id: u64,
    scopes: Vec<&'r str>,
    ttl: u64,
}

#[derive(Serialize)]
struct Purchase<'d> {
    item: Bought<'d>,
    code: &'d str,
    license: &'d str,
    sold_at: &'d str,
}

#[derive(Serialize)]
struct Bought<'d> {
    #[serde(flatten)]
    summary: &'d Summary,
    wordpress_theme_metadata: &'d Option<crate::data::Theme>,
}

impl<'d> Purchase<'d> {
    fn of(sale: &'d Sale, item: &'d Item) -> Self {
        let Sale { code, license, sold_at, .. } = sale;
        let item = Bought {
            summary: &item.summary,
            wordpress_theme_metadata: &item.wordpress_theme_metadata,
        };
        Self { item, code, license, sold_at }
    }
}
