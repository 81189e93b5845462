//! The Call pane's form, and the result of the last call.

use std::sync::Arc;

use crate::app::field::TextField;
use crate::gate::CallResult;

/// The Call pane's form.
#[derive(Clone, Debug)]
pub struct CallForm {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: TextField,
    /// Whether the user changed the arguments; until then they follow the tool's example.
    pub touched: bool,
    /// Whether the preview shows a row for every check instead of one sign each.
    pub opens_trace: bool,
}

/// The last call made from the console. It may hold a token, so it has no `Debug`.
#[derive(Clone)]
pub struct LastCall {
    /// The token it was made with.
    pub token: Option<Arc<str>>,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// The result, once it has arrived.
    pub called: Option<CallResult>,
}
