//! Webhooks that only an API server with the right certificate may ask, as a WebhookAdmissionConfiguration gives it one.

use ringfence_testing::Authority;
use serde_json::json;

use crate::setting::{Setting, pod, refused_by_us};

#[test]
fn an_api_server_shows_its_certificate_and_another_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let authority = Authority::new("webhook-clients");
    let client = authority.client("kube-apiserver", None);
    let user =
        json!({"client-certificate": file("client.crt", &client.pem), "client-key": file("client.key", &client.key)});
    // The name is that of the server that is asked; this is any.
    let config = json!({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]});
    let kubeconfig = file("webhooks.json", &config.to_string());
    let plugin = |name: &str| {
        json!({"name": name, "configuration": {"apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration", "kubeConfigFile": kubeconfig}})
    };
    let plugins = [plugin("ValidatingAdmissionWebhook"), plugin("MutatingAdmissionWebhook")];
    let Some(setting) = Setting::start_with(&plugins) else { return };
    let installing = setting.install(&[]);
    let known = file("clients.pem", authority.pem());
    let right = setting.replica(&["--client-ca", &known, "--client-name", "kube-apiserver"]);
    let ran = installing.join().unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    setting.namespace_when_answered("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    setting.until_pod("shop", &pod("p", true), |answer| answer.code == 201);

    // Without that name it is nobody, and nothing is admitted on its word.
    setting.balancer.remove(right.address);
    drop(right);
    let _wrong = setting.replica(&["--client-ca", &known, "--client-name", "somebody-else"]);
    setting.until_pod("shop", &pod("p", true), |answer| {
        answer.code == 500 && answer.body["message"].to_string().contains("failed calling webhook")
    });
}
