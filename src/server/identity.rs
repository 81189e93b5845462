//! The name under which this server answers.

use rmcp::model::Implementation;

/// The name and version of this server.
pub fn implementation() -> Implementation {
    Implementation::new("portcullis", env!("CARGO_PKG_VERSION")).with_title("Portcullis")
}
