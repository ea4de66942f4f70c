//! The attack cases that concern authentication, by their numbers, and their
//! neighbours.

mod requests;
mod tokens;

use super::*;
