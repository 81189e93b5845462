//! The instruments of the time lab: pure state machines and tables. The caller makes the calls that an instrument
//! requires and reports the results. The modules shown here are public; the others are the program's.

pub mod drill;
#[doc(hidden)]
pub mod evidence;
#[doc(hidden)]
pub mod expected;
#[doc(hidden)]
pub mod grid;
pub mod instant;
pub mod kit;
#[doc(hidden)]
pub mod probe;
#[doc(hidden)]
pub mod score;
#[doc(hidden)]
pub mod test_plan;
