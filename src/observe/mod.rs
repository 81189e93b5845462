//! Classifies and explains the answers of foreign servers. Pure: the answer is received elsewhere (`target`), or pasted.
//!
//! An [`Answer`] is classified by the table in `denial` as an [`Observation`]. [`why`] explains it from the token, the
//! server's metadata and the clocks.

pub mod answer;
pub mod denial;
mod observation;
mod pasted;
mod seen;
pub mod visibility;
pub mod why;

pub use answer::{Answer, Body, HttpHead, NoAnswer, Reply};
pub use denial::{Basis, Observed, Shape};
pub use observation::Observation;
pub use pasted::{answer_of, http_date};
pub use seen::{Progress, ServerIdentity};
pub use visibility::{Sightings, Visibility};
pub use why::{Cause, Certainty, Question, Unseen, Why};
