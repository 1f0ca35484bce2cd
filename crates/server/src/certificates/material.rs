//! What the Secret holds, and whether it is of use.

use crate::tls::validity;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The key does not show itself to who prints this.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What the Secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Material {
    /// Who signs.
    pub(super) authority: Pair,
    /// Who will sign, once everybody has been told.
    pub(super) successor: Option<Pair>,
    /// What is served with.
    pub(super) serving: Pair,
    /// All authorities that count, each as PEM.
    pub(super) bundle: Vec<String>,
}

/// Beyond this many, authorities are not believed to be ours.
const MOST_AUTHORITIES: usize = 16;

impl Material {
    /// From the Secret's data; `None` if anything of it is missing or is not what it should be.
    pub(super) fn read(data: &BTreeMap<String, String>) -> Option<Self> {
        let pair = |name: &str| {
            let pair = Pair {
                certificate: data.get(&format!("{name}.crt"))?.clone(),
                key: data.get(&format!("{name}.key"))?.clone(),
            };
            pair.is_whole().then_some(pair)
        };
        let bundle = split(data.get("ca.crt")?);
        let (authority, serving) = (pair("authority")?, pair("tls")?);
        let material = Self { authority, successor: pair("successor"), serving, bundle };
        (material.bundle.len() <= MOST_AUTHORITIES && material.bundle.contains(&material.authority.certificate))
            .then_some(material)
    }

    /// As the Secret's data.
    pub(super) fn write(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::from([("ca.crt".to_owned(), self.bundle())]);
        let pairs = [
            ("authority", Some(&self.authority)),
            ("successor", self.successor.as_ref()),
            ("tls", Some(&self.serving)),
        ];
        for (name, pair) in pairs {
            let Some(pair) = pair else { continue };
            data.insert(format!("{name}.crt"), pair.certificate.clone());
            data.insert(format!("{name}.key"), pair.key.clone());
        }
        data
    }

    /// What a `caBundle` holds.
    pub(super) fn bundle(&self) -> String {
        self.bundle.concat()
    }

    /// Whether a client that was told of the bundle believes the served certificate, for all of these names.
    pub(super) fn is_believed(&self, names: &[String], now: u64) -> bool {
        let Some(certificate) = der(&self.serving.certificate) else { return false };
        let Ok(parsed) = EndEntityCert::try_from(&certificate) else { return false };
        let authorities: Vec<_> = self.bundle.iter().filter_map(|pem| der(pem)).collect();
        let anchors: Vec<_> = authorities.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        let chain = parsed.verify_for_usage(algorithms, &anchors, &[], now, KeyUsage::server_auth(), None, None);
        let fits = |name: &String| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
        };
        chain.is_ok() && names.iter().all(fits)
    }
}

impl Pair {
    /// Whether the key is the certificate's.
    fn is_whole(&self) -> bool {
        let provider = rustls::crypto::ring::default_provider();
        let (Some(certificate), Ok(key)) = (der(&self.certificate), PrivateKeyDer::from_pem_slice(self.key.as_bytes()))
        else {
            return false;
        };
        CertifiedKey::from_der(vec![certificate], key, &provider).is_ok()
    }

    /// From when and until when it counts, in seconds since 1970.
    pub(super) fn validity(&self) -> Option<(u64, u64)> {
        end_of(&self.certificate)
    }
}

/// From when and until when a certificate counts, in seconds since 1970.
pub(super) fn end_of(pem: &str) -> Option<(u64, u64)> {
    validity(&der(pem)?)
}

fn der(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

/// The certificates of a bundle, one by one.
fn split(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----\n";
    bundle.split_inclusive(END).filter(|pem| pem.ends_with(END) && der(pem).is_some()).map(str::to_owned).collect()
}
