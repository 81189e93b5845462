//! The instruments of the time lab: pure state machines and tables. The caller makes the calls that an instrument
//! requires and reports the results.

pub mod drill;
pub mod evidence;
pub mod expected;
pub mod grid;
pub mod instant;
pub mod kit;
pub mod probe;
pub mod score;
pub mod test_plan;
