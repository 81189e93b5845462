//! The name and version of this server in the protocol.

use rmcp::model::Implementation;

/// Returns the name and version of this server.
pub fn implementation() -> Implementation {
    Implementation::new("portcullis", env!("CARGO_PKG_VERSION")).with_title("Portcullis")
}
