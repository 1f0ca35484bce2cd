//! What an image says about the user of its processes.

use serde::{Deserialize, Serialize};

/// What is known of an image: the USER of its configuration and the user database of its root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageFacts {
    /// The image's name as manifests write it.
    pub name: String,
    /// `config.User` of the image configuration: empty, `uid`, `uid:gid`, `name`, `name:group`, `uid:group`.
    pub user: String,
    /// The text of `/etc/passwd`; `None` when the image has none.
    pub passwd: Option<String>,
    /// The text of `/etc/group`; `None` when the image has none.
    pub group: Option<String>,
    /// `config.Env`, `NAME=VALUE`.
    pub env: Vec<String>,
    /// `config.WorkingDir`.
    pub working_dir: String,
    /// `config.Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `config.Cmd`.
    pub cmd: Vec<String>,
}

/// What the kubelet learns of an image's USER through the CRI: a number, or a name that it cannot check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageUser {
    /// No USER: root.
    Root,
    /// A number.
    Uid(i64),
    /// A name.
    Name(String),
}
