//! CVE-2024-40635: a user ID that is too large for the kernel, and comes out as root.

use serde_json::json;

use ringfence_context::facts::Facts;

use crate::{pod, support};

#[test]
fn a_user_id_that_overflows_is_refused_and_never_root() {
    for engine in pod::engines() {
        for user in [
            "2147483648",
            "4294967295",
            "4294967296",
            "4294967296:4294967296",
            "18446744073709551616",
            "1000:4294967296",
            "-1",
            "99999999999999999999999999",
        ] {
            let name = "docker.io/local/large:1";
            let facts = Facts { images: [(name.to_owned(), support::image(user))].into(), ..support::facts() };
            let spec = json!({"containers": [{"image": "local/large:1"}]});
            if let Ok((out, _)) = pod::run_with(&*engine, spec, &["id"], &facts, None) {
                assert!(!out.contains("uid=0"), "{} with {user}: {out}", engine.name());
                assert!(!user.contains("1000:") || !out.contains("gid=0"), "{} with {user}: {out}", engine.name());
            }
        }
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            for id in [4_294_967_296_i64, 4_294_967_295, 2_147_483_648, -1, i64::MIN] {
                let spec = json!({"securityContext": {"runAsUser": 1000, field: id}, "containers": [{}]});
                if let Ok((out, _)) = pod::run(&*engine, spec, &["id"]) {
                    assert!(!out.contains("uid=0"), "{} with {field}: {id}: {out}", engine.name());
                }
            }
        }
    }
}
