//! Making authorities and certificates.

use super::material::Pair;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, date_time_ymd,
};
use std::time::Duration;
use time::OffsetDateTime;

/// How much earlier than it is made everything counts, for clocks that are late.
pub(super) const SKEW: u64 = 3600;

/// A key could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate")]
pub(super) struct IssueError(#[from] rcgen::Error);

/// A new authority that ends at `until`; times are seconds since 1970.
pub(super) fn authority(now: u64, until: u64) -> Result<Pair, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = authority_params(&key)?;
    params.not_before = time(now.saturating_sub(SKEW));
    params.not_after = time(until);
    Ok(Pair { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A certificate for a server of these DNS names and addresses.
pub(super) fn certificate(signer: &Pair, names: &[String], now: u64, until: u64) -> Result<Pair, IssueError> {
    let signer_key = KeyPair::from_pem(&signer.key)?;
    let issuer = Issuer::new(authority_params(&signer_key)?, signer_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "ringfence");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = time(now.saturating_sub(SKEW));
    params.not_after = time(until);
    Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

/// An authority is named after its key, so that two are never taken for one another, and nothing but the key need be read
/// to sign with it.
fn authority_params(key: &KeyPair) -> Result<CertificateParams, IssueError> {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.der_bytes());
    let id = digest.as_ref().iter().take(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, format!("ringfence authority {id:016x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

/// The end of what a certificate can say, 9999-12-31, is far beyond any use.
fn time(seconds: u64) -> OffsetDateTime {
    const LAST: u64 = 253_402_300_799;
    date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.min(LAST))
}
