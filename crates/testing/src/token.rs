//! Tokens of service accounts, signed with the server's own key.

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

/// Who issues the server's tokens, and whom they are for.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

/// A token as the API server issues them, good between these times in seconds since 1970.
pub(crate) fn sign(key: &[u8], namespace: &str, account: &Value, from: u64, to: u64) -> String {
    let name = &account["metadata"]["name"];
    let claims = json!({"iss": ISSUER, "aud": [ISSUER], "iat": from, "nbf": from, "exp": to,
        "sub": format!("system:serviceaccount:{namespace}:{}", name.as_str().unwrap()),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}}});
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).unwrap();
    let header = json!({"alg": "ES256", "typ": "JWT"});
    let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url(signature.as_ref()))
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(ALPHABET[(number >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64url;

    #[test]
    fn encodes_as_the_standard_does() {
        let encoded = ["", "f", "fo", "foo", "foob", "\u{7ff}"].map(|text| base64url(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "378"]);
    }
}
