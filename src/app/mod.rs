//! The console's state and its one `update`: no I/O, no clock, no drawing.
pub mod key;
