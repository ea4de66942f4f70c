//! Values on their way from one form into another: decimal numbers, dates,
//! and the conversions that policies name.

mod conversion;
mod date;
mod decimal;

pub(crate) use conversion::{Conversion, Item};
pub(crate) use date::DateFormat;
