//! Reads an answer from a text: what `curl -i` or `curl -v` printed, an event stream, or a body alone.

use chrono::DateTime;

use super::answer::{Answer, Body, HttpHead};
use crate::auth::NumericDate;
use crate::text::material::{self, Material};

/// The largest text that is read, in bytes.
const LARGEST: usize = 256 << 10;

/// Returns the answer in a text; `None` if it contains none.
pub fn answer_of(text: &str) -> Option<Answer> {
    let text = crate::text::head(text, LARGEST);
    let body = body_in(text);
    match material::recognize(text) {
        Some(Material::Response(response)) => {
            let http = response.status.map(|status| HttpHead {
                status,
                challenge: response.challenge.clone(),
                date: response.date.as_deref().and_then(http_date),
                ..HttpHead::default()
            });
            // A challenge without a status line is that of a 401, unless it names another reason.
            let http = http.or_else(|| {
                let challenge = response.challenge.clone()?;
                let status = if challenge.param("error") == Some("insufficient_scope") { 403 } else { 401 };
                Some(HttpHead { status, challenge: Some(challenge), ..HttpHead::default() })
            });
            Some(Answer { http, body: body.unwrap_or_default() })
        }
        _ => match body? {
            body @ (Body::Error { .. } | Body::Result(_)) => Some(Answer { http: None, body }),
            Body::Json(value) if value.get("error").is_some() => Some(Answer { http: None, body: Body::Json(value) }),
            _ => None,
        },
    }
}

/// Parses the value of a `Date` header (RFC 9110 §5.6.7).
pub fn http_date(value: &str) -> Option<NumericDate> {
    DateTime::parse_from_rfc2822(value.trim()).ok().map(|date| NumericDate::from(date.to_utc()))
}

/// Returns the first body in a text: JSON that begins a line, or the response in an event stream.
fn body_in(text: &str) -> Option<Body> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        let content = content.strip_prefix("< ").unwrap_or(content);
        if let Some(data) = content.strip_prefix("data:")
            && let body @ (Body::Result(_) | Body::Error { .. }) = Body::read(data)
        {
            return Some(body);
        }
        if content.starts_with('{') {
            let rest = text.get(offset..).unwrap_or_default().trim();
            // Whatever follows the document, such as the timing that curl prints, is ignored.
            let mut documents = serde_json::Deserializer::from_str(rest).into_iter();
            if let Some(Ok(value)) = documents.next() {
                return Some(Body::of(value));
            }
        }
        offset += line.len();
    }
    None
}
