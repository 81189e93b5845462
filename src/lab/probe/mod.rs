//! The gate probe: tests whether a foreign server treats tokens as a sound server does. Pure: the requests are made
//! elsewhere (`probing`).
//!
//! [`PROBES`] is the only table. A [`Card`] holds the answers and what they mean.

mod card;
mod markdown;
mod model;
mod rows;

pub use card::{Allowance, Card, Extra, Mark, Row, degree_code, is_refusal};
pub use model::{GoodClaims, Model, ModelError};
pub use rows::{Carried, Degree, Expected, GOOD, PROBES, Probe, planned};
