//! The Call pane: its form, the call made last, and calls as they are asked for.

use std::sync::Arc;

use super::field::TextField;
use super::msg::Order;
use super::{App, Called, Effect};
use crate::gate::Origin;

/// The Call pane's form.
#[derive(Clone, Debug)]
pub struct CallForm {
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: TextField,
    /// Whether the user changed the arguments; until then they follow the tool's example.
    pub touched: bool,
}

/// The call made last from here.
#[derive(Clone)]
pub struct LastCall {
    /// The token it was made with.
    pub token: Option<Arc<str>>,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, as JSON text.
    pub arguments: String,
    /// What came back, once it did.
    pub called: Option<Called>,
}

impl App {
    /// Chooses a tool; arguments that the user did not touch become its example.
    pub(super) fn choose_tool(&mut self, tool: &Arc<str>) {
        self.call.tool = Arc::clone(tool);
        if !self.call.touched {
            self.call.arguments.set(&self.auth.tools.example(&self.auth.rules.policy, tool));
        }
    }

    /// A number for something whose answer is awaited.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A call that is decided for what the clock shows.
    pub(super) fn order(&self, tool: Arc<str>, arguments: String, origin: Origin) -> Order {
        Order { tool, arguments, origin, judged_at: self.times.judged }
    }

    /// Makes a call with what is in the form, or repeats one.
    pub(super) fn make_call(&mut self, call: LastCall) -> Vec<Effect> {
        let id = self.next_id();
        self.in_flight = Some(id);
        let order = self.order(Arc::clone(&call.tool), call.arguments.clone(), Origin::Console);
        let effect = Effect::Call { id, token: call.token.clone(), order };
        self.last_call = Some(LastCall { called: None, ..call });
        vec![effect]
    }

    /// The arguments of the form, or the tool's example where nobody touched them.
    pub(super) fn arguments_for(&self, tool: &str) -> String {
        match self.call.touched {
            true => self.call.arguments.text().to_owned(),
            false => self.auth.tools.example(&self.auth.rules.policy, tool),
        }
    }
}
