//! The integration tests: one binary, a module for each thing that is held.

mod contract;
mod forge;
mod layers;
mod pyjwt;
mod reasons;
