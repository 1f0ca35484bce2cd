//! Answering a registry that wants to know who asks: Basic, or a token from the token server that it names
//! (distribution, `spec/auth/token.md` and `oauth.md`).

use http::Uri;
use serde::Deserialize;

use super::RegistryError;
use super::challenge::Challenge;
use super::credentials::{Credentials, Secret};
use super::http_client::{Call, Http, whole};
use super::url::shown;

/// An answer of a token server is not larger than this.
const MAX_TOKEN: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

/// The value of `Authorization` that one of the challenges asks for.
pub(crate) async fn answer(
    http: &Http,
    registry: &Uri,
    repository: &str,
    challenges: &[Challenge],
    credentials: Option<&Credentials>,
) -> Result<Secret, RegistryError> {
    let refuse = |why: String| RegistryError::Unauthorized { registry: shown(registry), why };
    if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
        return token(http, registry, repository, bearer, credentials).await;
    }
    if challenges.iter().any(|challenge| challenge.scheme == "basic") {
        let credentials = credentials.ok_or_else(|| refuse(NO_CREDENTIALS.to_owned()))?;
        return credentials.basic().ok_or_else(|| refuse("it takes a password, and there is only a token".to_owned()));
    }
    Err(refuse("it asks for credentials in no way that is known".to_owned()))
}

pub(crate) const NO_CREDENTIALS: &str =
    "it wants credentials, and there are none: log in with docker login, podman login or skopeo login";

async fn token(
    http: &Http,
    registry: &Uri,
    repository: &str,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
) -> Result<Secret, RegistryError> {
    let wrong = |why: String| RegistryError::Unauthorized { registry: shown(registry), why };
    let realm = challenge.parameters.get("realm").map(String::as_str).unwrap_or_default();
    let realm: Uri = realm.parse().map_err(|_| wrong("it names no token server".to_owned()))?;
    if realm.host().is_none() || realm.scheme().is_none() {
        return Err(wrong("it names no token server".to_owned()));
    }
    // It gets the credentials, so that it must be as hard to overhear as the registry.
    http.check(registry, &realm)?;
    // What is needed is known here; a registry that asks for more does not get it.
    let scope = format!("repository:{repository}:pull");
    let service = challenge.parameters.get("service").map(String::as_str).unwrap_or_default();
    let (uri, form) = if let Some(Credentials::Identity(token)) = credentials {
        let fields = [
            ("grant_type", "refresh_token"),
            ("service", service),
            ("client_id", "ringfence"),
            ("scope", &*scope),
            ("refresh_token", token.expose()),
        ];
        (realm.clone(), Some(Secret::new(form(&fields))))
    } else {
        let mut query = realm.query().map(|query| format!("{query}&")).unwrap_or_default();
        let mut fields = vec![("scope", &*scope)];
        if !service.is_empty() {
            fields.insert(0, ("service", service));
        }
        query += &form(&fields);
        let authority = realm.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let text = format!("{}://{authority}{}?{query}", realm.scheme_str().unwrap_or_default(), realm.path());
        (text.parse().map_err(|_| wrong("it names no token server".to_owned()))?, None)
    };
    let basic = credentials.and_then(Credentials::basic);
    let call = Call { uri: &uri, authorization: basic.as_ref(), headers: &[], form };
    let answer = http.call(call).await?;
    let status = answer.status();
    if matches!(status.as_u16(), 400 | 401 | 403) {
        let why = match credentials {
            Some(_) => format!("the token server {} refuses the credentials ({status})", shown(&realm)),
            None => NO_CREDENTIALS.to_owned(),
        };
        return Err(wrong(why));
    }
    if !status.is_success() {
        return Err(super::pull::status_error(answer, &uri).await);
    }
    let bytes = whole(answer.into_body(), &uri, MAX_TOKEN).await?;
    // Its words may quote the token.
    let answer: Answer =
        serde_json::from_slice(&bytes).map_err(|_| wrong(format!("{} did not answer with a token", shown(&realm))))?;
    let token = answer.token.or(answer.access_token).filter(|token| !token.expose().is_empty());
    let token = token.ok_or_else(|| wrong(format!("{} did not answer with a token", shown(&realm))))?;
    Ok(Secret::new(format!("Bearer {}", token.expose())))
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                text.push(char::from(byte));
            } else {
                text += &format!("%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_no_character_of_its_own_meaning_in_a_value() {
        assert_eq!(form(&[("a", "x&y=z"), ("b", "ü 1")]), "a=x%26y%3Dz&b=%C3%BC%201");
    }
}
