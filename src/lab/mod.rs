//! The instruments of the time lab: pure state machines and tables. Whoever uses one makes the calls it asks for and
//! tells it what came.

pub mod drill;
pub mod evidence;
pub mod kit;
mod redacted;
pub mod score;
