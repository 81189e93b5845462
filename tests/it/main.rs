//! The integration tests: one binary, a module for each thing that is held.

mod contract;
mod forge;
mod hostile;
mod layers;
mod properties;
mod pyjwt;
mod reading;
mod reasons;
mod wycheproof;
