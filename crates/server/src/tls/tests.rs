use super::reload::Looked;
use super::*;
use std::fs;
use std::path::Path;

/// A certificate and key of that common name, written to `tls.crt` and `tls.key`; see openssl-req(1).
fn issue(at: &Path, name: &str) -> bool {
    let status = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
        .args(["-subj", &format!("/O=ringfence/CN={name}"), "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(at.join("tls.key"))
        .arg("-out")
        .arg(at.join("tls.crt"))
        .stderr(std::process::Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn files(at: &Path) -> TlsFiles {
    TlsFiles { certificate: at.join("tls.crt"), key: at.join("tls.key"), ..TlsFiles::default() }
}

#[test]
fn a_bad_pair_keeps_the_old_one_and_is_told_of_once() {
    let at = tempfile::tempdir().unwrap();
    if !issue(at.path(), "a") {
        eprintln!("openssl is missing: not tested");
        return;
    }
    let identity = Identity::load(files(at.path())).unwrap();
    let first = Arc::clone(&identity.current.read().unwrap());
    assert!(matches!(identity.look(), Looked::Same));

    fs::write(at.path().join("tls.crt"), "nonsense").unwrap();
    assert!(matches!(identity.look(), Looked::Bad(why) if why.contains("tls.crt has no certificate")));
    assert!(matches!(identity.look(), Looked::Same));
    assert!(Arc::ptr_eq(&first, &identity.current.read().unwrap()));

    // The certificate of one pair and the key of another, as between two writes.
    issue(at.path(), "b");
    let key = fs::read(at.path().join("tls.key")).unwrap();
    issue(at.path(), "c");
    let right = fs::read(at.path().join("tls.key")).unwrap();
    fs::write(at.path().join("tls.key"), key).unwrap();
    assert!(matches!(identity.look(), Looked::Bad(why) if why.contains("cannot be used together")));
    fs::write(at.path().join("tls.key"), right).unwrap();
    assert!(matches!(identity.look(), Looked::Renewed));
    assert!(!Arc::ptr_eq(&first, &identity.current.read().unwrap()));

    fs::remove_file(at.path().join("tls.key")).unwrap();
    assert!(matches!(identity.look(), Looked::Bad(why) if why.starts_with("cannot read")));
    assert!(matches!(identity.look(), Looked::Same));
}

#[test]
fn reads_the_names_and_the_end_of_a_certificate() {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let at = tempfile::tempdir().unwrap();
    if !issue(at.path(), "kube-apiserver") {
        eprintln!("openssl is missing: not tested");
        return;
    }
    let certificate = CertificateDer::from_pem_file(at.path().join("tls.crt")).unwrap();
    assert_eq!(certificate::names(&certificate).unwrap(), ["kube-apiserver", "localhost"]);
    let days = (expiry(&certificate).unwrap() - std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()) / 86_400;
    assert!((29..=30).contains(&days), "{days}");
}

/// A certificate that counts from 1970 until the end of that year.
fn until(at: &Path, year: i32) {
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(1970, 1, 1), rcgen::date_time_ymd(year, 12, 31));
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(at.join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(at.join("tls.key"), key.serialize_pem()).unwrap();
}

#[test]
fn a_certificate_that_has_ended_is_taken_only_in_place_of_one_that_ended_earlier() {
    let at = tempfile::tempdir().unwrap();
    until(at.path(), 2010);
    assert!(matches!(Identity::load(files(at.path())), Err(TlsError::Expired { .. })));
    until(at.path(), 4000);
    let identity = Identity::load(files(at.path())).unwrap();
    until(at.path(), 2010);
    assert!(matches!(identity.look(), Looked::Bad(why) if why.ends_with("tls.crt ended")));
    assert!(matches!(identity.look(), Looked::Same), "it is told of once");
    // As if the one in use had ended, too, by a clock that may be wrong; it is looked at again without a change.
    identity.expiry.store(1, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(identity.look(), Looked::Renewed));
    assert!(matches!(identity.look(), Looked::Same));
}

#[test]
fn names_without_an_authority_are_an_error() {
    let files = TlsFiles { client_names: vec!["a".into()], ..TlsFiles::default() };
    let error = files.configure(&files::Contents::default(), None).unwrap_err();
    assert!(matches!(error, TlsError::NamesWithoutAuthority));
}
