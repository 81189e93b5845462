//! Tests of the whole, from outside.

mod desk;
mod edits;
mod hostile;
mod lab;
mod pastes;
mod pty;
mod readme;
mod screens;
mod times;
