//! The demo's data (`stack/demo.json`, all of it test data), and the questions asked of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All of `stack/demo.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Says that this is test data.
    pub about: String,
    /// Everyone with an account.
    pub users: Vec<Account>,
    /// Everything on sale.
    pub items: Vec<Item>,
    /// What sold best, by site.
    pub popular: std::collections::BTreeMap<String, Popular>,
    /// Every sale, the newest first.
    pub sales: Vec<Sale>,
    /// API keys in clear, for the tests; the gateway stores their digests.
    pub api_keys: Vec<ApiKey>,
    /// Clients of the identity provider.
    pub clients: Vec<Client>,
}

impl Data {
    /// The data as committed.
    ///
    /// # Errors
    /// `stack/demo.json` does not have the shape of [`Data`].
    pub fn embedded() -> Result<Self, DataError> {
        serde_json::from_str(include_str!("../demo.json"))
            .map_err(|error| DataError(error.to_string()))
    }

    /// The account of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Account> {
        self.users.iter().find(|user| user.username == name)
    }

    /// The item of that id.
    #[must_use]
    pub fn item(&self, id: u64) -> Option<&Item> {
        self.items.iter().find(|item| item.summary.id == id)
    }

    /// The item that a sale was of.
    #[must_use]
    pub fn item_sold(&self, sale: &Sale) -> Option<&Summary> {
        self.item(sale.item_id).map(|item| &item.summary)
    }
}

/// An account, public and private parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What `/whoami` calls `userId`.
    pub id: u64,
    /// The name in paths, and the subject of tokens.
    pub username: String,
    /// Private.
    pub email: String,
    /// Private.
    pub firstname: String,
    /// Private.
    pub surname: String,
    /// Null where it was not given.
    pub country: Option<String>,
    /// Null where it was not given.
    pub location: Option<String>,
    /// URL of the picture, null where there is none.
    pub image: Option<String>,
    /// Items sold ever.
    pub sales: u64,
    /// Accounts that follow this one.
    pub followers: u64,
    /// In the currency's main unit, like every amount here.
    pub available_earnings: f64,
    /// Paid in ever.
    pub total_deposits: f64,
    /// Earnings and deposits left.
    pub balance: f64,
    /// One entry per month, the oldest first.
    pub earnings_by_month: Vec<Month>,
    /// The newest first.
    pub statement: Vec<Entry>,
}

impl Account {
    /// The account of someone who is not in the data: the tests make up subjects as they like,
    /// and each has an account that nothing has happened on yet.
    #[must_use]
    pub fn fresh(username: &str) -> Self {
        // FNV-1a, cut to what every JSON reader takes for an integer.
        let id = username.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }) >> 12;
        Self {
            id,
            username: username.to_owned(),
            email: format!("{id}@example.com"),
            firstname: String::new(),
            surname: String::new(),
            country: None,
            location: None,
            image: None,
            sales: 0,
            followers: 0,
            available_earnings: 0.0,
            total_deposits: 0.0,
            balance: 0.0,
            earnings_by_month: Vec::new(),
            statement: Vec::new(),
        }
    }
}

/// What one month brought an author.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Month {
    /// The month's first instant, ISO 8601.
    pub month: String,
    /// Items sold.
    pub sales: u64,
    /// In the currency's main unit.
    pub earnings: f64,
}

/// One line of an account's statement.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `Sale`, `Author Fee`, `Purchase`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Negative where it was taken.
    pub amount: f64,
    /// For people to read; null where there is nothing to say.
    pub detail: Option<String>,
    /// ISO 8601.
    pub date: String,
}

/// An item with everything the catalogue says of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Item {
    /// What lists say of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// Plain text, from empty to several kilobytes.
    pub description: String,
    /// May be empty.
    pub tags: Vec<String>,
    /// May be empty.
    pub attributes: Vec<Attribute>,
    /// ISO 8601.
    pub updated_at: String,
    /// Null where there is none.
    pub live_preview_url: Option<String>,
    /// Of WordPress themes only.
    pub wordpress_theme_metadata: Option<Theme>,
}

/// What lists say of an item: MARKETPLACE's `Item`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Summary {
    /// From 4600.
    pub id: u64,
    /// Not always ASCII.
    pub name: String,
    /// Where people see it.
    pub url: String,
    /// `themeforest`, `codecanyon` or `audiojungle`.
    pub site: String,
    /// The seller.
    pub author_username: String,
    /// URL, null where there is no picture.
    pub thumbnail: Option<String>,
    /// Sold ever.
    pub number_of_sales: u64,
    /// 0 to 5.
    pub rating: f64,
    /// In hundredths of the currency's main unit.
    pub price_cents: u64,
    /// ISO 8601.
    pub published_at: String,
    /// A path, `wordpress/portfolio` for example.
    pub category: String,
}

/// A property of an item; the value is any JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    name: String,
    label: String,
    value: Value,
}

/// What WordPress needs to know of a theme.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    theme_name: String,
    author_name: String,
    version: String,
    description: String,
}

/// What sold best on one site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Popular {
    /// Item ids, the best first.
    pub items_last_week: Vec<u64>,
    /// Item ids, the best first.
    pub items_last_three_months: Vec<u64>,
    /// The best first.
    pub authors_last_month: Vec<TopAuthor>,
}

/// An author among the best of a month.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopAuthor {
    /// Names an account.
    pub username: String,
    /// In that month.
    pub sales: u64,
}

/// One sale, which is the buyer's purchase.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    /// The purchase code, a UUID.
    pub code: String,
    /// The seller.
    pub author: String,
    /// The buyer, who need not have an account here.
    pub buyer: String,
    /// Names an item.
    pub item_id: u64,
    /// What the author got.
    pub amount: f64,
    /// `Regular License` or `Extended License`.
    pub license: String,
    /// ISO 8601.
    pub sold_at: String,
    /// How often that buyer has bought the item.
    pub purchase_count: u64,
}

/// An API key of the tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// In clear.
    pub key: String,
    /// Its owner.
    pub subject: String,
}

/// A client of the identity provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`: a test's, not a secret.
    pub secret: String,
    /// Whom its tokens speak for.
    pub subject: String,
    /// What its tokens may do at most.
    pub scopes: Vec<String>,
    /// Whether it may ask what a token means (RFC 7662).
    pub may_introspect: bool,
}

/// `stack/demo.json` cannot be read; says where.
#[derive(Debug)]
pub struct DataError(String);

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stack/demo.json: {}", self.0)
    }
}

impl std::error::Error for DataError {}
