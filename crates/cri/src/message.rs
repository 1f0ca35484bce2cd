//! Messages, with the numbers that their fields have in `api.proto`.

use std::collections::HashMap;

/// `VersionRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VersionRequest {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
}

/// Which runtime it is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VersionResponse {
    /// The version of the kubelet's runtime API.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The runtime's name, such as `containerd`.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// The runtime's version.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// The version of the API that it speaks.
    #[prost(string, tag = "4")]
    pub runtime_api_version: String,
}

/// `StatusRequest`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct StatusRequest {
    #[prost(bool, tag = "1")]
    pub(crate) verbose: bool,
}

/// How the runtime does, and what it can do.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    /// Its conditions.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// What it says of itself when asked to be verbose: JSON by key, such as containerd's `config`.
    #[prost(map = "string, string", tag = "2")]
    pub info: HashMap<String, String>,
    /// Its handlers; the default one's name is empty.
    #[prost(message, repeated, tag = "3")]
    pub runtime_handlers: Vec<Handler>,
}

/// `RuntimeStatus`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// `RuntimeReady`, `NetworkReady` and others.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<Condition>,
}

/// `RuntimeCondition`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Condition {
    /// Its type.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// Whether it is so.
    #[prost(bool, tag = "2")]
    pub status: bool,
    /// Why it is not, in a word.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Why it is not, in a sentence.
    #[prost(string, tag = "4")]
    pub message: String,
}

/// `RuntimeHandler`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Handler {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it can do.
    #[prost(message, optional, tag = "2")]
    pub features: Option<HandlerFeatures>,
}

/// `RuntimeHandlerFeatures`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HandlerFeatures {
    /// Recursive read-only mounts.
    #[prost(bool, tag = "1")]
    pub recursive_read_only_mounts: bool,
    /// User namespaces and id-mapped mounts.
    #[prost(bool, tag = "2")]
    pub user_namespaces: bool,
}
