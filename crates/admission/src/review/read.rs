//! The envelope: from the bytes of a request to what is asked, and back.

use super::{AdmissionRequest, AdmissionResponse};
use crate::decode::{GroupVersionKind, identify};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt, marker::PhantomData};

const GROUP: &str = "admission.k8s.io";
const KIND: &str = "AdmissionReview";

/// Why there is nothing to answer. Each is the caller's fault, HTTP status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is nothing at all.
    #[error("request body is empty")]
    Empty,
    /// It is no JSON, or not of the shape of a review.
    #[error("unable to decode the request")]
    Undecodable {
        /// What is wrong, for the log.
        detail: String,
    },
    /// It is something else.
    #[error("unexpected AdmissionReview kind: {0}")]
    Kind(GroupVersionKind),
    /// It asks nothing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "super::raw")]
    request: Option<Box<RawValue>>,
}

/// Reads an `AdmissionReview` of `admission.k8s.io/v1`, which is also what it is taken for if it does not say.
pub fn read(body: &[u8]) -> Result<AdmissionRequest, ReadError> {
    if body.is_empty() {
        return Err(ReadError::Empty);
    }
    if let Some(request) = read_plain(body) {
        return Ok(request);
    }
    let undecodable = |detail: String| ReadError::Undecodable { detail };
    let text = std::str::from_utf8(body).map_err(|error| undecodable(error.to_string()))?;
    let v1 = GroupVersionKind { group: GROUP.to_owned(), version: "v1".to_owned(), kind: KIND.to_owned() };
    let gvk = identify(text, &v1).map_err(|error| undecodable(error.to_string()))?;
    if gvk != v1 {
        return Err(ReadError::Kind(gvk));
    }
    let envelope: Envelope = serde_json::from_str(text).map_err(|error| undecodable(error.to_string()))?;
    let request = envelope.request.ok_or(ReadError::NoRequest)?;
    if !request.get().starts_with('{') {
        // Serde would take a list for the fields in their order.
        return Err(undecodable("the request is no object".to_owned()));
    }
    serde_json::from_str(request.get()).map_err(|error| undecodable(error.to_string()))
}

/// Reads in one go what an API server sends. Everything else is left to those who can say what is wrong with it.
fn read_plain(body: &[u8]) -> Option<AdmissionRequest> {
    let text = std::str::from_utf8(body).ok()?;
    let PlainReview { api_version, kind, request } = serde_json::from_str(text).ok()?;
    let is_one = api_version == "admission.k8s.io/v1" && kind == KIND && text.trim_start().starts_with('{');
    request.filter(|_| is_one).map(|Object(request)| request)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainReview<'b> {
    #[serde(borrow)]
    api_version: Cow<'b, str>,
    #[serde(borrow)]
    kind: Cow<'b, str>,
    request: Option<Object<AdmissionRequest>>,
}

/// What is an object. Serde would take a list for the fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The `AdmissionReview` that carries an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'r> {
    kind: &'static str,
    api_version: &'static str,
    response: &'r AdmissionResponse,
}

/// Wraps an answer as the API server expects it.
pub fn answer(response: &AdmissionResponse) -> impl Serialize + '_ {
    Answer { kind: KIND, api_version: "admission.k8s.io/v1", response }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        read(body.as_bytes()).map(|request| request.uid).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_an_api_server_sends() {
        let body = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE"}}"#;
        assert_eq!(read(body.as_bytes()).unwrap().uid, "u");
        assert_eq!(read(br#"{"request":{"uid":"u"}}"#).unwrap().uid, "u");
    }

    #[test]
    fn everything_else_is_the_callers_fault() {
        assert_eq!(error(""), "request body is empty");
        for body in ["{", "[]", "7", "nonsense", r#"{"request":[]}"#, r#"{"request":{"uid":7}}"#, r#"{"kind":7}"#] {
            assert_eq!(error(body), "unable to decode the request", "{body}");
        }
        assert_eq!(
            error(r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#),
            "unexpected AdmissionReview kind: admission.k8s.io/v1beta1, Kind=AdmissionReview"
        );
        assert_eq!(error("{}"), "the AdmissionReview has no request");
        assert_eq!(error(r#"{"request":null}"#), "the AdmissionReview has no request");
        assert!(read(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn the_short_way_leads_to_the_same_place() {
        let typed = |request: &str| {
            format!(r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{request}}}"#)
        };
        for request in [r#"{"uid":"u","kind":{"kind":"Pod"},"object":{"a":[1]},"new":1}"#, "{}"] {
            let plain = read_plain(typed(request).as_bytes()).unwrap();
            let other = read(format!(r#"{{"request":{request}}}"#).as_bytes()).unwrap();
            assert_eq!(format!("{plain:?}"), format!("{other:?}"));
        }
        for request in ["null", "[]", r#"["u"]"#, r#"{"uid":7}"#, "{"] {
            assert!(read_plain(typed(request).as_bytes()).is_none(), "{request}");
            assert!(read(typed(request).as_bytes()).is_err(), "{request}");
        }
        assert!(read_plain(br#"["admission.k8s.io/v1","AdmissionReview",{}]"#).is_none());
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!(r#"{{"request":{{"uid":"u","object":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        // The object is not looked into before somebody asks for it.
        let request = read(deep.as_bytes()).unwrap();
        let object = request.object.unwrap();
        assert!(crate::decode::decode::<k8s_openapi::api::core::v1::Pod>(object.get()).is_err());
    }

    #[test]
    fn an_answer_names_its_type() {
        let response = AdmissionResponse { uid: "u".into(), allowed: true, ..AdmissionResponse::default() };
        assert_eq!(
            serde_json::to_string(&answer(&response)).unwrap(),
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u","allowed":true}}"#
        );
    }
}
