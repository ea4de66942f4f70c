//! `Signature-Input` and `Signature` (RFC 9421 §4), read: one signature, what
//! it covers, and what it says of itself.

use postern_core::Headers;

use super::component::{Component, Dictionaries, Outside};
use super::fields::{self, Bare, InnerList, Item, Member};
use crate::reason::Reason;
use crate::verdict::Asked;

/// The longest of each of the two fields, in bytes.
const MAX_BYTES: usize = 8192;
/// The most components that a signature covers.
const MAX_COMPONENTS: usize = 32;
/// The most query parameters among them: each goes through the whole query.
const MAX_QUERY_PARAMS: usize = 8;
/// The longest text among the parameters, in bytes.
const MAX_TEXT: usize = 256;

pub(crate) const INPUT: &str = "signature-input";
pub(crate) const SIGNATURE: &str = "signature";

/// A signature as a request has it; nothing of it is checked yet.
#[derive(Debug)]
pub(super) struct Input {
    list: InnerList,
    pub(super) components: Vec<Component>,
    pub(super) parameters: Parameters,
    pub(super) signature: Vec<u8>,
}

/// What a signature says of itself (RFC 9421 §2.3).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) created: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) nonce: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) keyid: Option<String>,
    pub(super) tag: Option<String>,
}

impl Input {
    /// The signature under `label`, or else the only one.
    pub(super) fn read(headers: &Headers<'_>, label: Option<&str>) -> Result<Self, Reason> {
        let (inputs, signatures) = (members(headers, INPUT)?, members(headers, SIGNATURE)?);
        let only = |list: Vec<(String, Member)>| -> Result<(String, Member), Reason> {
            let several = list.len() > 1;
            let mut found =
                list.into_iter().filter(|(own, _)| label.is_none_or(|label| own == label));
            let first = found.next().filter(|_| label.is_some() || !several);
            let several = several && label.is_none();
            first.ok_or(if several { Reason::Several } else { Reason::MessageMalformed })
        };
        let ((one, input), (other, signature)) = (only(inputs)?, only(signatures)?);
        let (
            Member::List(list),
            Member::Item(Item { bare: Bare::Bytes(signature), parameters: _ }),
        ) = (input, signature)
        else {
            return Err(Reason::MessageMalformed);
        };
        if one != other || list.items.len() > MAX_COMPONENTS {
            return Err(Reason::MessageMalformed);
        }
        let components = list.items.iter().map(Component::of).collect::<Result<Vec<_>, _>>()?;
        let twice = |(i, component)| components.iter().take(i).any(|c| c == component);
        if components.iter().enumerate().any(twice) {
            return Err(Reason::MessageMalformed);
        }
        let of_query = |component: &&Component| matches!(component, Component::QueryParam(_));
        if components.iter().filter(of_query).count() > MAX_QUERY_PARAMS {
            return Err(Reason::MessageMalformed);
        }
        let parameters = Parameters::of(&list.parameters)?;
        Ok(Input { list, components, parameters, signature })
    }

    /// The bytes that were signed (RFC 9421 §2.5).
    pub(super) fn base(&self, asked: &Asked<'_>, outside: &Outside) -> Result<Vec<u8>, Reason> {
        let mut out = Vec::with_capacity(512);
        let mut read = Dictionaries::default();
        for (item, component) in self.list.items.iter().zip(&self.components) {
            item.write(&mut out);
            out.extend_from_slice(b": ");
            out.extend_from_slice(&component.value(asked, outside, &mut read)?);
            out.push(b'\n');
        }
        out.extend_from_slice(b"\"@signature-params\": ");
        self.list.write(&mut out);
        Ok(out)
    }
}

impl Parameters {
    fn of(list: &[(String, Bare)]) -> Result<Self, Reason> {
        let mut own = Parameters::default();
        for (key, value) in list {
            match (key.as_str(), value) {
                ("created", Bare::Integer(seconds)) if *seconds >= 0 => {
                    own.created = Some(*seconds)
                }
                ("expires", Bare::Integer(seconds)) if *seconds >= 0 => {
                    own.expires = Some(*seconds)
                }
                (key, Bare::Text(text)) if (1..=MAX_TEXT).contains(&text.len()) => {
                    let place = match key {
                        "nonce" => &mut own.nonce,
                        "alg" => &mut own.alg,
                        "keyid" => &mut own.keyid,
                        "tag" => &mut own.tag,
                        _ => return Err(Reason::MessageParameter),
                    };
                    *place = Some(text.clone());
                }
                _ => return Err(Reason::MessageParameter),
            }
        }
        Ok(own)
    }
}

fn members(headers: &Headers<'_>, name: &str) -> Result<Vec<(String, Member)>, Reason> {
    let values: Vec<&[u8]> = headers.all(name).collect();
    if values.iter().map(|value| value.len()).sum::<usize>() > MAX_BYTES {
        return Err(Reason::TooLong);
    }
    let mut twice = false;
    let members = fields::members(&values.join(&b", "[..]), &mut twice);
    members.ok_or(if twice { Reason::Several } else { Reason::MessageMalformed })
}
