//! What anyone may ask: the catalogue.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Upstream;
use crate::data::{Data, Item, Summary};
use crate::reply::{Failure, Fields, json_reply, validated};

/// Matches of one search at most.
const MATCHES: usize = 30;

/// `GET /v1/market/{set}[:{arg}[,{arg}]].json`
pub(super) async fn public_set(
    State(upstream): State<Arc<Upstream>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let Path(segment) = path.map_err(|_| Failure::bad_request("the path is not UTF-8"))?;
    let set = segment.strip_suffix(".json").ok_or_else(|| no_such_set(&segment))?;
    let (kind, arguments) = set.split_once(':').unwrap_or((set, ""));
    let arguments: Vec<&str> = arguments.split(',').collect();
    let body = match (kind, arguments.as_slice()) {
        ("total-items", [""]) => total_items(&upstream.data),
        ("popular", [site]) => popular(&upstream.data, site)?,
        ("user", [name]) => user(&upstream.data, name)?,
        ("new-files-from-user", [name, site]) => new_files(&upstream.data, name, site)?,
        _ => return Err(no_such_set(set)),
    };
    // The envelope is named after the set.
    Ok(json_reply(&Map::from_iter([(kind.to_owned(), body)])))
}

/// `GET /v3/market/catalog/item?id=`
pub(super) async fn catalog_item(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Failure> {
    let fields = Fields::of_query(&request);
    let item = wanted_item(&upstream.data, fields.need("id")?)?;
    Ok(validated(request.headers(), item))
}

/// `GET /v1/discovery/search/search/item?term=&site=&category=`
pub(super) async fn search(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let started = Instant::now();
    let fields = Fields::of_query(&request);
    let found: Vec<Match<'_>> = upstream
        .data
        .items
        .iter()
        .filter(|item| fields.given("site").is_none_or(|site| item.summary.site == site))
        .filter(|item| fields.given("category").is_none_or(|within| lies_in(&item.summary, within)))
        .filter(|item| fields.given("term").is_none_or(|term| speaks_of(item, term)))
        .map(Match::of)
        .collect();
    let hits = found.len();
    let matches: Vec<_> = found.into_iter().take(MATCHES).collect();
    json_reply(&Answer { took: started.elapsed().as_millis(), matches, total_hits: hits })
}

/// The item whose id was sent as text.
pub(super) fn wanted_item<'d>(data: &'d Data, id: &str) -> Result<&'d Item, Failure> {
    let number = id
        .parse()
        .map_err(|_| Failure::bad_request(format!("item id `{id}` is not a whole number")))?;
    data.item(number).ok_or_else(|| Failure::not_found(format!("no item has the id {number}")))
}

fn total_items(data: &Data) -> Value {
    json!({"total_items": data.items.len().to_string()})
}

fn popular(data: &Data, site: &str) -> Result<Value, Failure> {
    let best = data
        .popular
        .get(site)
        .ok_or_else(|| Failure::not_found(format!("no site is called `{site}`")))?;
    let items = |ids: &[u64]| -> Vec<&Summary> {
        ids.iter().filter_map(|id| data.item(*id)).map(|item| &item.summary).collect()
    };
    let authors: Vec<Value> = best
        .authors_last_month
        .iter()
        .filter_map(|top| {
            let account = data.user(&top.username)?;
            Some(json!({
                "username": account.username,
                "url": format!("https://{site}.example.net/user/{}", account.username),
                "sales": top.sales,
                "image": account.image,
            }))
        })
        .collect();
    Ok(json!({
        "items_last_week": items(&best.items_last_week),
        "items_last_three_months": items(&best.items_last_three_months),
        "authors_last_month": authors,
    }))
}

fn user(data: &Data, name: &str) -> Result<Value, Failure> {
    let account = data.user(name).ok_or_else(|| no_such_user(name))?;
    Ok(json!({
        "username": account.username,
        "country": account.country,
        "location": account.location,
        "image": account.image,
        "sales": account.sales,
        "followers": account.followers,
    }))
}

fn new_files(data: &Data, name: &str, site: &str) -> Result<Value, Failure> {
    data.user(name).ok_or_else(|| no_such_user(name))?;
    let mut files: Vec<&Summary> = data
        .items
        .iter()
        .map(|item| &item.summary)
        .filter(|item| item.author_username == name && item.site == site)
        .collect();
    files.sort_by(|a, b| b.published_at.cmp(&a.published_at));
    Ok(json!(files))
}

/// Whether the item's category is `within` or one below it.
fn lies_in(item: &Summary, within: &str) -> bool {
    item.category
        .strip_prefix(within.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether all words of one of the alternatives (`a b|c`) occur in the item's name or tags.
fn speaks_of(item: &Item, term: &str) -> bool {
    let text = format!("{} {}", item.summary.name, item.tags.join(" ")).to_lowercase();
    term.to_lowercase()
        .split('|')
        .any(|words| words.split_whitespace().all(|word| text.contains(word)))
}

fn no_such_set(set: &str) -> Failure {
    Failure::not_found(format!("no set is called `{set}`"))
}

fn no_such_user(name: &str) -> Failure {
    Failure::not_found(format!("no user is called `{name}`"))
}

#[derive(Serialize)]
struct Answer<'d> {
    /// Milliseconds.
    took: u128,
    matches: Vec<Match<'d>>,
    total_hits: usize,
}

/// The contract's five members come first; the others are what the old API's `search` says of an
/// item besides.
#[derive(Serialize)]
struct Match<'d> {
    id: u64,
    name: &'d str,
    site: &'d str,
    url: &'d str,
    price_cents: u64,
    author_username: &'d str,
    thumbnail: Option<&'d str>,
    number_of_sales: u64,
    rating: f64,
    published_at: &'d str,
    category: &'d str,
    description: &'d str,
}

impl<'d> Match<'d> {
    fn of(item: &'d Item) -> Self {
        let Summary {
            id,
            name,
            url,
            site,
            author_username,
            thumbnail,
            number_of_sales,
            rating,
            price_cents,
            published_at,
            category,
        } = &item.summary;
        Self {
            id: *id,
            name,
            site,
            url,
            price_cents: *price_cents,
            author_username,
            thumbnail: thumbnail.as_deref(),
            number_of_sales: *number_of_sales,
            rating: *rating,
            published_at,
            category,
            description: &item.description,
        }
    }
}
