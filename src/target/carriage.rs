//! How a request carries its token.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

/// How a request carries its token: as a client must, or in one of the ways that a server must not accept. It contains
/// a token, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Carriage {
    /// The values of `Authorization`, one header each.
    pub authorization: Vec<Zeroizing<String>>,
    /// Parameters for the query.
    pub query: Vec<(&'static str, Zeroizing<String>)>,
    /// Further headers.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
}

impl Carriage {
    /// Carries a token as RFC 6750 §2.1 says; without one, no `Authorization` header is sent.
    pub fn bearer(token: Option<&str>) -> Self {
        let authorization = token.map(|token| Zeroizing::new(format!("Bearer {token}")));
        Self { authorization: authorization.into_iter().collect(), ..Self::default() }
    }

    /// Adds the headers. A value that is not valid in a header is left out: no request could carry it.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        let sensitive = |text: &str| {
            let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        for value in self.authorization.iter().filter_map(|text| sensitive(text)) {
            headers.append(AUTHORIZATION, value);
        }
        for (name, text) in &self.headers {
            if let Some(value) = sensitive(text) {
                headers.append(*name, value);
            }
        }
    }

    /// Whether every value can be sent in a header.
    pub fn can_be_sent(&self) -> bool {
        let values = self.authorization.iter().chain(self.headers.iter().map(|(_, value)| value));
        values.into_iter().all(|value| HeaderValue::from_bytes(value.as_bytes()).is_ok())
    }
}
