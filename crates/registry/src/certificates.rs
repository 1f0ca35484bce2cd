//! Whom to trust, and how to say who asks: `certs.d/HOST[:PORT]` (containers-certs.d(5), and docker's), and what to say
//! when that does not suffice.

use std::error::Error;
use std::path::PathBuf;

use http::Uri;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError};

use super::RegistryError;
use super::url::{host_port, shown};

/// What the directories have for one host: authorities in `*.crt`, and the client's own in `*.cert` and `*.key`.
#[derive(Default)]
pub(crate) struct Certificates {
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Certificates {
    pub(crate) fn read(dirs: &[PathBuf], host: &str) -> Result<Self, RegistryError> {
        let mut found = Self::default();
        // The name becomes a path.
        if host.is_empty() || host.starts_with('.') || host.contains('/') {
            return Ok(found);
        }
        for dir in dirs {
            let entries = std::fs::read_dir(dir.join(host)).into_iter().flatten().flatten();
            let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
            files.sort();
            for path in files {
                let wrong = |why: String| RegistryError::Config { path: path.clone(), why };
                let certificates = || {
                    CertificateDer::pem_file_iter(&path)
                        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                        .map_err(|error| wrong(error.to_string()))
                };
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => found.authorities.extend(certificates()?),
                    Some("cert") => {
                        let key = PrivateKeyDer::from_pem_file(path.with_extension("key"))
                            .map_err(|error| wrong(format!("its key: {error}")))?;
                        found.client = Some((certificates()?, key));
                    }
                    // As containers-certs.d(5): each is of use only with the other.
                    Some("key") if !path.with_extension("cert").exists() => {
                        return Err(wrong(format!(
                            "its certificate {} is not here",
                            path.with_extension("cert").display()
                        )));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

/// Why a connection came to nothing.
pub(crate) fn broken(uri: &Uri, error: &(dyn Error + 'static)) -> RegistryError {
    let url = shown(uri);
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        let tls = cause.downcast_ref::<rustls::Error>();
        if let Some(why) = tls.and_then(|error| untrusted(error, &host_port(uri))) {
            return RegistryError::Certificate { url, why };
        }
        // What an error of input and output wraps is not its source.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| cause.source()) {
            Some(source) => cause = source,
            // The cause below all wrappings says the most.
            None => return RegistryError::Connect { url, why: cause.to_string() },
        }
    }
}

/// What is wrong with a certificate, and what helps. `None` when the trouble is another.
fn untrusted(error: &rustls::Error, host: &str) -> Option<String> {
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "its certificate is of an authority that is not trusted; if it should be, put the authority's certificate \
             into ~/.config/containers/certs.d/{host}/ca.crt, or name such a directory with --cert-dir"
        ),
        rustls::Error::InvalidCertificate(error) => format!("its certificate is refused: {error}"),
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => format!(
            "it wants a certificate from who asks, or another one ({alert:?}): put one and its key into \
             ~/.config/containers/certs.d/{host}/client.cert and client.key, or name such a directory with --cert-dir"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_found_below_all_wrappings() {
        let uri: Uri = "https://registry.example.com:5000/v2/".parse().unwrap();
        let wrapped = |error| std::io::Error::other(std::io::Error::other(error));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let RegistryError::Certificate { why, .. } = broken(&uri, &wrapped(unknown)) else { panic!("another error") };
        assert!(why.contains("certs.d/registry.example.com:5000/ca.crt"), "{why}");
        let required = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let RegistryError::Certificate { why, .. } = broken(&uri, &required) else { panic!("another error") };
        assert!(why.contains("client.key"), "{why}");
        let other = wrapped(rustls::Error::DecryptError);
        assert!(matches!(broken(&uri, &other), RegistryError::Connect { .. }));
    }

    #[test]
    fn a_key_without_its_certificate_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("registry.example.com");
        std::fs::create_dir(&host).unwrap();
        let read = || Certificates::read(&[dir.path().to_path_buf()], "registry.example.com");
        assert!(read().unwrap().client.is_none());
        std::fs::write(host.join("client.key"), "").unwrap();
        assert!(matches!(read(), Err(RegistryError::Config { .. })));
        // A host's name leads nowhere else.
        assert!(Certificates::read(&[dir.path().to_path_buf()], "..").is_ok());
    }
}
