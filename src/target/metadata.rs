//! Fetches what a server publishes about itself as a protected resource (RFC 9728). Requests carry no token.

use std::time::Duration;

use reqwest::Url;
use tokio::time::timeout;

use super::wire::client;
use super::{Place, Target};
use crate::text::material::{self, Material, Metadata, MetadataKind};

/// The largest document, in bytes.
const MAX_BODY: usize = 64 << 10;

/// How long all attempts may take together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether metadata describe an endpoint: their resource is its URL or a part of its origin (RFC 9728 §3.3). Others must
/// not decide about a token, because a server could name the resource of somebody else.
pub fn describes(metadata: &Metadata, target: &Target) -> bool {
    let Place::Http(endpoint) = &target.place else { return false };
    let resource = metadata.resource.as_deref().and_then(|resource| Url::parse(resource).ok());
    resource.is_some_and(|resource| {
        let rest = endpoint.path().trim_end_matches('/').strip_prefix(resource.path().trim_end_matches('/'));
        resource.origin() == endpoint.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Fetches the metadata of a target: at the URL that its challenge names, if that is on the same origin, or else at the
/// well-known places. `None` if it publishes none.
pub async fn fetch_metadata(target: &Target, named: Option<&str>) -> Option<Metadata> {
    let Place::Http(endpoint) = &target.place else { return None };
    // Another origin could be a machine that only we can reach.
    let named = named.and_then(|url| Url::parse(url).ok()).filter(|url| url.origin() == endpoint.origin());
    let client = client(target).ok()?;
    let at = |path: String| {
        let mut url = endpoint.clone();
        url.set_path(&path);
        url.set_query(None);
        url
    };
    let path = endpoint.path().trim_end_matches('/');
    let well_known = "/.well-known/oauth-protected-resource";
    let places = named.into_iter().chain([at(format!("{well_known}{path}")), at(well_known.to_owned())]);
    timeout(TIMEOUT, async {
        for place in places {
            if let Some(found) = one(&client, place).await {
                return Some(found);
            }
        }
        None
    })
    .await
    .ok()
    .flatten()
}

async fn one(client: &reqwest::Client, url: Url) -> Option<Metadata> {
    let mut answer = client.get(url).header("accept", "application/json").send().await.ok()?;
    if answer.status().as_u16() != 200 {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    match material::recognize(&String::from_utf8_lossy(&body)) {
        Some(Material::Metadata(metadata)) if metadata.kind == MetadataKind::ProtectedResource => Some(*metadata),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::material::MetadataKind;
    use rstest::rstest;

    #[rstest]
    #[case("http://127.0.0.1:8000/mcp", true)]
    #[case("http://127.0.0.1:8000/mcp/", true)]
    #[case("http://127.0.0.1:8000", true)]
    #[case("http://127.0.0.1:8000/mcp2", false)]
    #[case("http://127.0.0.1:8000/mc", false)]
    #[case("http://127.0.0.1:8000/mcp/inner", false)]
    #[case("https://127.0.0.1:8000/mcp", false)]
    #[case("http://orders.example/mcp", false)]
    #[case("mcp", false)]
    fn metadata_describe_an_endpoint_at_their_resource_or_below_it(#[case] resource: &str, #[case] expected: bool) {
        let target = Target::http("any", "http://127.0.0.1:8000/mcp", Vec::new()).expect("a URL");
        let metadata = Metadata {
            kind: MetadataKind::ProtectedResource,
            issuers: Vec::new(),
            resource: Some(resource.to_owned()),
            jwks_uri: None,
            scopes: Vec::new(),
        };
        assert_eq!(describes(&metadata, &target), expected);
        assert!(!describes(&Metadata { resource: None, ..metadata }, &target));
    }
}
