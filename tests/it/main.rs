//! Tests of the whole program and library from outside. Those of the library alone also run without the feature
//! `program`.

mod backend;
mod contract;
mod findings;
mod forge;
mod host;
mod hostile;
mod key_files;
mod kit;
mod layers;
mod project;
mod properties;
mod providers;
mod pyjwt;
mod reading;
mod reasons;
mod vectors;

/// Declares the tests that need the program.
macro_rules! program {
    ($($module:ident)*) => { $(#[cfg(feature = "program")] mod $module;)* };
}

program! {
    calling cli desk documented drills edits ending foreign held independent issuer_keys issuers_pane lab materials
    matrix navigating operator pastes pty readme revoking rotating screens serving shown times words
}
