//! What an image says about the user of its processes.

use serde::{Deserialize, Serialize};

use crate::user_database::parse_int;

/// What is known of an image: the USER of its configuration and the user database of its root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ImageFacts {
    /// The image's name as manifests write it.
    pub name: String,
    /// The digest of the image's manifest or index, when the facts were read from the image itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
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
    /// `config.StopSignal`, as written; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// The keys of `config.Volumes`: directories for which a runtime makes a volume when none is mounted there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
}

impl ImageFacts {
    /// The image's USER as the kubelet learns of it: the part before the colon, a number or a name. What follows the
    /// colon never reaches it (containerd `internal/cri/server/images/image_status.go`, `getUserFromImage`; kubelet
    /// `pkg/kubelet/kuberuntime/helpers.go`, `getImageUser`).
    pub fn cri_user(&self) -> ImageUser {
        let user = self.user.split(':').next().unwrap_or_default();
        match parse_int(user) {
            Ok(uid) => ImageUser::Uid(uid),
            Err(_) if user.is_empty() => ImageUser::Root,
            // A number beyond 64 bits is taken for a name.
            Err(_) => ImageUser::Name(user.to_owned()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: &str) -> ImageUser {
        ImageFacts { user: user.to_owned(), ..ImageFacts::default() }.cri_user()
    }

    #[test]
    fn the_kubelet_learns_a_number_or_a_name_and_never_the_group() {
        assert_eq!(user(""), ImageUser::Root);
        assert_eq!(user(":audio"), ImageUser::Root);
        assert_eq!(user("1000:2222"), ImageUser::Uid(1000));
        assert_eq!(user("+7"), ImageUser::Uid(7));
        assert_eq!(user("app:audio"), ImageUser::Name("app".to_owned()));
        assert_eq!(user("99999999999999999999"), ImageUser::Name("99999999999999999999".to_owned()));
    }
}
