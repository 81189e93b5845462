//! Tests of the whole, from outside.

mod cli;
mod contract;
mod desk;
mod drills;
mod edits;
mod forge;
mod held;
mod hostile;
mod kit;
mod lab;
mod layers;
mod matrix;
mod operator;
mod pastes;
mod properties;
mod pty;
mod pyjwt;
mod reading;
mod readme;
mod reasons;
mod revoking;
mod screens;
mod serving;
mod shown;
mod times;
mod wycheproof;
