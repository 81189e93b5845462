//! Portcullis.
pub mod app;
