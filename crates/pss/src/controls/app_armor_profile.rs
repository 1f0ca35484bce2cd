//! `appArmorProfile`: a container may choose another AppArmor profile, but not do without.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    quote::Quoted,
    version::Version,
    words,
};

const ANNOTATION_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

static POD_TYPE: Field = Field {
    path: "spec.securityContext.appArmorProfile.type",
    allowed: "RuntimeDefault, Localhost, or no appArmorProfile",
    hint: "type: RuntimeDefault",
    remedy: Remedy::Set(r#""RuntimeDefault""#),
    example: r#""Unconfined""#,
    inherits: None,
};

static TYPE: Field = Field {
    path: "spec.containers[*].securityContext.appArmorProfile.type",
    allowed: "RuntimeDefault, Localhost, or no appArmorProfile",
    hint: "type: RuntimeDefault",
    remedy: Remedy::Set(r#""RuntimeDefault""#),
    example: r#""Unconfined""#,
    inherits: None,
};

static ANNOTATION: Field = Field {
    path: "metadata.annotations[container.apparmor.security.beta.kubernetes.io/*]",
    allowed: "runtime/default, localhost/NAME, empty, or no annotation",
    hint: "runtime/default, or no annotation",
    remedy: Remedy::Set(r#""runtime/default""#),
    example: r#""unconfined""#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses AppArmor profiles other than the runtime's default and those loaded on the node: in the field
    /// `appArmorProfile.type` of the pod and of each container, and in the older annotations
    /// `container.apparmor.security.beta.kubernetes.io/CONTAINER`.
    ///
    /// ## Why is this bad
    ///
    /// The default profile denies, among much else, mounting and writing to sensitive files below /proc and /sys. A
    /// container without it has one wall less between itself and the node.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         appArmorProfile:
    ///           type: Unconfined
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         appArmorProfile:
    ///           type: RuntimeDefault
    /// ```
    pub static CONTROL: Control = Control {
        id: "appArmorProfile",
        level: Level::Baseline,
        title: "AppArmor must not be turned off",
        fields: &[&POD_TYPE, &TYPE, &ANNOTATION],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "fields and annotations are restricted",
            check: app_armor_profile_1_0,
            detail,
        }],
        reason,
        docs: DOCS,
    };
}

fn app_armor_profile_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    if let Some(profile) = pod.security_context().and_then(|context| context.app_armor_profile.as_ref())
        && !is_allowed_type(&profile.type_)
    {
        out.pod(&POD_TYPE, Value::Text(&profile.type_));
    }
    for (container, context) in pod.security_contexts() {
        if let Some(profile) = &context.app_armor_profile
            && !is_allowed_type(&profile.type_)
        {
            out.container(container, &TYPE, Value::Text(&profile.type_));
        }
    }
    for (key, value) in pod.annotations_under(ANNOTATION_PREFIX) {
        if !is_allowed_annotation(value) {
            let name = &key[ANNOTATION_PREFIX.len()..];
            let container = pod.containers().find(|container| container.name() == name);
            out.annotation(container, &ANNOTATION, key, value);
        }
    }
}

fn is_allowed_type(profile: &str) -> bool {
    matches!(profile, "RuntimeDefault" | "Localhost")
}

fn is_allowed_annotation(profile: &str) -> bool {
    matches!(profile, "" | "runtime/default") || profile.starts_with("localhost/")
}

/// The values of fields as a set, then the annotations, each sorted.
fn bad_values(found: &[Finding<'_>]) -> (Vec<String>, usize) {
    let fields = found.iter().filter(|finding| finding.key().is_none()).map(|finding| finding.text().to_owned());
    let mut values = words::set(fields);
    let fields = values.len();
    values.extend(
        found.iter().filter_map(|finding| finding.key().map(|key| format!("{key}={}", Quoted(finding.text())))),
    );
    values[fields..].sort_unstable();
    let annotations = values.len() - fields;
    (values, annotations)
}

fn reason(found: &[Finding<'_>]) -> &'static str {
    let fields = words::set(found.iter().filter(|finding| finding.key().is_none()).map(Finding::text)).len();
    let annotations = found.iter().filter(|finding| finding.key().is_some()).count();
    words::plural("forbidden AppArmor profile", "forbidden AppArmor profiles", fields + annotations)
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    let (values, annotations) = bad_values(found);
    words::setters(found, out);
    if annotations > 0 {
        out.push_str(if annotations < found.len() { " and " } else { "" });
        out.push_str(words::plural("annotation", "annotations", annotations));
    }
    out.push_str(" must not set AppArmor profile type to ");
    words::quoted(values, out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{annotated, by, pod};
    use serde_json::json;

    #[test]
    fn refuses_unconfined_fields_of_pod_and_container_at_once() {
        let pod = pod(json!({
            "securityContext": {"appArmorProfile": {"type": "Unconfined"}},
            "containers": [{"name": "a", "securityContext": {"appArmorProfile": {"type": ""}}}],
        }));
        assert_eq!(
            by("appArmorProfile", "v1.0", &pod),
            r#"forbidden AppArmor profiles (pod and container "a" must not set AppArmor profile type to "", "Unconfined")"#
        );
    }

    #[test]
    fn refuses_annotations_and_quotes_their_values_as_go_does() {
        let prefix = super::ANNOTATION_PREFIX;
        let pod = annotated(
            json!({format!("{prefix}b"): "unconfined", format!("{prefix}a"): "\t\"", format!("{prefix}c"): "localhost/x"}),
            json!({"containers": [{"name": "a"}]}),
        );
        assert_eq!(
            by("appArmorProfile", "v1.0", &pod),
            format!(
                r#"forbidden AppArmor profiles (annotations must not set AppArmor profile type to "{prefix}a="\t\""", "{prefix}b="unconfined"")"#
            )
        );
    }

    #[test]
    fn allows_the_runtime_default_a_profile_of_the_node_and_none_at_all() {
        let context = |kind: &str| json!({"appArmorProfile": {"type": kind, "localhostProfile": "x"}});
        let pod = annotated(
            json!({"container.apparmor.security.beta.kubernetes.io/a": ""}),
            json!({"containers": [
                {"name": "a"},
                {"name": "b", "securityContext": context("RuntimeDefault")},
                {"name": "c", "securityContext": context("Localhost")},
            ]}),
        );
        assert_eq!(by("appArmorProfile", "latest", &pod), "");
    }
}
