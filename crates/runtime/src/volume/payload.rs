//! What a ConfigMap, a Secret or a projected volume puts into files (kubelet `pkg/volume/configmap`, `secret`,
//! `projected`). `user` and `defaultUser` are passed over, as by an API server without the alpha feature
//! AtomicWriteVolumeUserFields.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, Pod, ProjectedVolumeSource, SecretVolumeSource};

use super::{Objects, VolumeError, downward, invalid, stand_in};

/// The mode of files where the volume says none (`defaultMode`).
const DEFAULT_MODE: i32 = 0o644;

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileProjection {
    pub(super) data: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by their path in the volume.
pub(super) type Payload = BTreeMap<String, FileProjection>;

/// What a cluster would have put into files that are empty here.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeSet<&'static str>);

impl Missing {
    /// The content of a file for which nothing is at hand.
    pub(super) fn empty(&mut self, what: &'static str) -> String {
        self.0.insert(what);
        String::new()
    }

    /// The sentences that say so; `None` where nothing is missing.
    pub(super) fn reason(&self) -> Option<String> {
        let sentences: Vec<String> = self.0.iter().map(|what| stand_in::file(what)).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

pub(super) fn config_map(
    volume: &str,
    source: &ConfigMapVolumeSource,
    objects: &dyn Objects,
) -> Result<Payload, VolumeError> {
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let reference = Reference { volume, kind: "configmap", name: &source.name, optional: source.optional };
    reference.payload(config_map_data(objects, &source.name), source.items.as_deref(), mode)
}

pub(super) fn secret(volume: &str, source: &SecretVolumeSource, objects: &dyn Objects) -> Result<Payload, VolumeError> {
    let name = source.secret_name.as_deref().unwrap_or_default();
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let reference = Reference { volume, kind: "secret", name, optional: source.optional };
    reference.payload(secret_data(objects, name), source.items.as_deref(), mode)
}

/// Later sources win where two put a file at the same path.
pub(super) fn projected(
    volume: &str,
    source: &ProjectedVolumeSource,
    pod: &Pod,
    objects: &dyn Objects,
    missing: &mut Missing,
) -> Result<Payload, VolumeError> {
    let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
    let mut all = Payload::new();
    for source in source.sources.iter().flatten() {
        if let Some(map) = &source.config_map {
            let reference = Reference { volume, kind: "configmap", name: &map.name, optional: map.optional };
            all.extend(reference.payload(config_map_data(objects, &map.name), map.items.as_deref(), mode)?);
        }
        if let Some(secret) = &source.secret {
            let reference = Reference { volume, kind: "secret", name: &secret.name, optional: secret.optional };
            all.extend(reference.payload(secret_data(objects, &secret.name), secret.items.as_deref(), mode)?);
        }
        if let Some(fields) = &source.downward_api {
            all.extend(downward::payload(volume, fields.items.as_deref().unwrap_or_default(), mode, pod, missing)?);
        }
        let token = source.service_account_token.as_ref().map(|token| &token.path);
        let bundle = source.cluster_trust_bundle.as_ref().map(|bundle| &bundle.path);
        let certificate = source.pod_certificate.iter().flat_map(|certificate| {
            let paths =
                [&certificate.credential_bundle_path, &certificate.key_path, &certificate.certificate_chain_path];
            paths.into_iter().flatten()
        });
        let of_cluster = (token.into_iter().map(|path| ("a service account token", path)))
            .chain(bundle.into_iter().map(|path| ("a cluster trust bundle", path)))
            .chain(certificate.map(|path| ("a pod certificate", path)));
        for (what, path) in of_cluster {
            let data = missing.empty(what).into_bytes();
            all.insert(path.clone(), FileProjection { data, mode: bits(volume, mode)? });
        }
    }
    Ok(all)
}

fn config_map_data(objects: &dyn Objects, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let map = objects.config_map(name)?;
    let text = map.data.iter().flatten().map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    // The API refuses a key in both; text is looked up first.
    Some(binary.chain(text).collect())
}

fn secret_data(objects: &dyn Objects, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let secret = objects.secret(name)?;
    let data = secret.data.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    // The API server turns `stringData` into `data`, where it wins.
    let text = secret.string_data.iter().flatten().map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    Some(data.chain(text).collect())
}

/// What a volume says of the object that it takes its files from.
struct Reference<'a> {
    volume: &'a str,
    kind: &'static str,
    name: &'a str,
    optional: Option<bool>,
}

impl Reference<'_> {
    fn payload(
        &self,
        data: Option<BTreeMap<String, Vec<u8>>>,
        items: Option<&[KeyToPath]>,
        mode: i32,
    ) -> Result<Payload, VolumeError> {
        let optional = self.optional == Some(true);
        let data = match data {
            Some(data) => data,
            None if optional => BTreeMap::new(),
            None => {
                return Err(VolumeError::NoObject {
                    volume: self.volume.to_owned(),
                    kind: self.kind,
                    name: self.name.to_owned(),
                });
            }
        };
        let items = items.unwrap_or_default();
        if items.is_empty() {
            return data
                .into_iter()
                .map(|(key, data)| Ok((key, FileProjection { data, mode: bits(self.volume, mode)? })))
                .collect();
        }
        let mut payload = Payload::new();
        for item in items {
            match data.get(&item.key) {
                Some(data) => {
                    let mode = bits(self.volume, item.mode.unwrap_or(mode))?;
                    payload.insert(item.path.clone(), FileProjection { data: data.clone(), mode });
                }
                None if optional => {}
                None => {
                    let why = match self.kind {
                        "configmap" => format!("configmap references non-existent config key: {}", item.key),
                        _ => format!("references non-existent secret key: {}", item.key),
                    };
                    return Err(invalid(self.volume, why));
                }
            }
        }
        Ok(payload)
    }
}

/// Permission bits, as the API admits them.
pub(super) fn bits(volume: &str, mode: i32) -> Result<u32, VolumeError> {
    u32::try_from(mode).ok().filter(|mode| *mode <= 0o777).ok_or_else(|| {
        invalid(volume, format!("mode {mode} must be a number between 0 and 0777 (octal), both inclusive"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};

    struct Some1 {
        map: ConfigMap,
        secret: Secret,
    }

    impl Objects for Some1 {
        fn config_map(&self, name: &str) -> Option<&ConfigMap> {
            (name == "c").then_some(&self.map)
        }
        fn secret(&self, name: &str) -> Option<&Secret> {
            (name == "s").then_some(&self.secret)
        }
    }

    fn objects() -> Some1 {
        let text = |text: &str| text.to_owned();
        Some1 {
            map: ConfigMap {
                data: Some([(text("a"), text("1"))].into()),
                binary_data: Some([(text("b"), ByteString(vec![0, 255]))].into()),
                ..ConfigMap::default()
            },
            secret: Secret {
                data: Some([(text("k"), ByteString(vec![1]))].into()),
                string_data: Some([(text("k"), text("wins"))].into()),
                ..Secret::default()
            },
        }
    }

    fn source(items: Option<Vec<KeyToPath>>, optional: Option<bool>, name: &str) -> ConfigMapVolumeSource {
        ConfigMapVolumeSource {
            name: name.to_owned(),
            items,
            optional,
            default_mode: Some(0o440),
            ..ConfigMapVolumeSource::default()
        }
    }

    #[test]
    fn all_keys_become_files_with_the_default_mode() {
        let payload = config_map("v", &source(None, None, "c"), &objects()).unwrap();
        assert_eq!(payload["a"], FileProjection { data: b"1".to_vec(), mode: 0o440 });
        assert_eq!(payload["b"].data, [0, 255]);
    }

    #[test]
    fn items_choose_keys_paths_and_modes() {
        let item = KeyToPath { key: "a".to_owned(), path: "x/y".to_owned(), mode: Some(0o400), ..KeyToPath::default() };
        let payload = config_map("v", &source(Some(vec![item]), None, "c"), &objects()).unwrap();
        assert_eq!(payload.len(), 1);
        assert_eq!(payload["x/y"].mode, 0o400);
    }

    #[test]
    fn what_is_missing_is_an_error_unless_it_is_optional() {
        let item =
            || vec![KeyToPath { key: "no".to_owned(), path: "p".to_owned(), mode: None, ..KeyToPath::default() }];
        let error = config_map("v", &source(Some(item()), None, "c"), &objects()).unwrap_err();
        assert!(error.to_string().contains("configmap references non-existent config key: no"));
        assert!(config_map("v", &source(Some(item()), Some(true), "c"), &objects()).unwrap().is_empty());
        assert!(matches!(
            config_map("v", &source(None, None, "other"), &objects()),
            Err(VolumeError::NoObject { kind: "configmap", .. })
        ));
        assert!(config_map("v", &source(None, Some(true), "other"), &objects()).unwrap().is_empty());
    }

    #[test]
    fn string_data_of_a_secret_wins() {
        let source = SecretVolumeSource { secret_name: Some("s".to_owned()), ..SecretVolumeSource::default() };
        assert_eq!(secret("v", &source, &objects()).unwrap()["k"].data, b"wins");
    }
}
