//! `seLinuxOptions`: a container may choose its level, and a type made for containers, but neither user nor role.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};
use k8s_openapi::api::core::v1::SELinuxOptions;

const ALLOWED_1_0: &[&str] = &["", "container_t", "container_init_t", "container_kvm_t"];
const ALLOWED_1_31: &[&str] = &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const fn type_of(path: &'static str) -> Field {
    Field {
        path,
        allowed: "undefined, empty, container_t, container_init_t, container_kvm_t, or from v1.31 on container_engine_t",
        hint: "leave type out; the runtime chooses container_t",
        remedy: Remedy::Remove,
        example: r#""spc_t""#,
        inherits: None,
    }
}

const fn unset(path: &'static str, hint: &'static str, example: &'static str) -> Field {
    Field { path, allowed: "undefined, empty", hint, remedy: Remedy::Remove, example, inherits: None }
}

/// The three options of one place.
struct Place {
    r#type: Field,
    user: Field,
    role: Field,
}

static POD: Place = Place {
    r#type: type_of("spec.securityContext.seLinuxOptions.type"),
    user: unset("spec.securityContext.seLinuxOptions.user", "leave user out", r#""system_u""#),
    role: unset("spec.securityContext.seLinuxOptions.role", "leave role out", r#""system_r""#),
};

static CONTAINER: Place = Place {
    r#type: type_of("spec.containers[*].securityContext.seLinuxOptions.type"),
    user: unset("spec.containers[*].securityContext.seLinuxOptions.user", "leave user out", r#""system_u""#),
    role: unset("spec.containers[*].securityContext.seLinuxOptions.role", "leave role out", r#""system_r""#),
};

documented! {
    /// ## What it does
    ///
    /// Refuses an SELinux user or role in `seLinuxOptions`, and types other than `container_t`, `container_init_t`,
    /// `container_kvm_t` and, from v1.31 on, `container_engine_t`. The level is free.
    ///
    /// ## Why is this bad
    ///
    /// The type decides what SELinux lets a process do. Types such as `spc_t` are made for trusted tools of the node
    /// and let nearly everything pass.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///       securityContext:
    ///         seLinuxOptions:
    ///           type: spc_t
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
    ///         seLinuxOptions:
    ///           level: s0:c123,c456
    /// ```
    pub static CONTROL: Control = Control {
        id: "seLinuxOptions",
        level: Level::Baseline,
        title: "SELinux options must keep to types for containers",
        fields: &[&POD.r#type, &POD.user, &POD.role, &CONTAINER.r#type, &CONTAINER.user, &CONTAINER.role],
        revisions: &[
            Revision {
                since: Version::v1(0),
                overrides: &[],
                change: "types are restricted, user and role are refused",
                check: se_linux_options_1_0,
                detail,
            },
            Revision {
                since: Version::v1(31),
                overrides: &[],
                change: "container_engine_t is allowed",
                check: se_linux_options_1_31,
                detail,
            },
        ],
        reason: |_| "seLinuxOptions",
        docs: DOCS,
    };
}

fn se_linux_options_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    se_linux_options(pod, out, ALLOWED_1_0);
}

fn se_linux_options_1_31<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    se_linux_options(pod, out, ALLOWED_1_31);
}

fn se_linux_options<'p>(pod: &Pod<'p>, out: &mut Findings<'p>, allowed: &[&str]) {
    if let Some(options) = pod.security_context().and_then(|context| context.se_linux_options.as_ref()) {
        refused(options, &POD, allowed, |field, value| out.pod(field, value));
    }
    for (container, context) in pod.security_contexts() {
        if let Some(options) = &context.se_linux_options {
            refused(options, &CONTAINER, allowed, |field, value| out.container(container, field, value));
        }
    }
}

fn refused<'p>(
    options: &'p SELinuxOptions,
    place: &'static Place,
    allowed: &[&str],
    mut found: impl FnMut(&'static Field, Value<'p>),
) {
    let SELinuxOptions { type_, user, role, level: _ } = options;
    if let Some(type_) = type_
        && !allowed.contains(&type_.as_str())
    {
        found(&place.r#type, Value::Text(type_));
    }
    for (field, value) in [(&place.user, user), (&place.role, role)] {
        if let Some(value) = value
            && !value.is_empty()
        {
            found(field, Value::Text(value));
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::setters(found, out);
    out.push_str(" set forbidden securityContext.seLinuxOptions: ");
    let is_type = |finding: &&Finding<'_>| finding.is_at(&POD.r#type) || finding.is_at(&CONTAINER.r#type);
    let types = words::values(found.iter().filter(is_type));
    let mut separator = "";
    if !types.is_empty() {
        out.push_str(words::plural("type ", "types ", types.len()));
        words::quoted(types, out);
        separator = "; ";
    }
    let sets =
        |fields: [&'static Field; 2]| found.iter().any(|finding| fields.iter().any(|field| finding.is_at(field)));
    for (is_set, text) in [
        (sets([&POD.user, &CONTAINER.user]), "user may not be set"),
        (sets([&POD.role, &CONTAINER.role]), "role may not be set"),
    ] {
        if is_set {
            out.push_str(separator);
            out.push_str(text);
            separator = "; ";
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_types_users_and_roles_in_one_sentence() {
        let pod = pod(json!({
            "securityContext": {"seLinuxOptions": {"type": "spc_t", "role": "r"}},
            "containers": [
                {"name": "a", "securityContext": {"seLinuxOptions": {"type": "init_t", "user": "u"}}},
                {"name": "b", "securityContext": {"seLinuxOptions": {"type": "", "user": "", "level": "s0"}}},
            ],
        }));
        assert_eq!(
            by("seLinuxOptions", "v1.0", &pod),
            r#"seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: types "init_t", "spc_t"; user may not be set; role may not be set)"#
        );
        assert_eq!(
            paths("seLinuxOptions", "v1.0", &pod),
            [
                "spec.securityContext.seLinuxOptions.type",
                "spec.securityContext.seLinuxOptions.role",
                "spec.containers[0].securityContext.seLinuxOptions.type",
                "spec.containers[0].securityContext.seLinuxOptions.user",
            ]
        );
    }

    #[test]
    fn allows_container_engine_t_from_1_31_on() {
        let options = json!({"seLinuxOptions": {"type": "container_engine_t"}});
        let pod = pod(json!({"containers": [{"name": "a", "securityContext": options}]}));
        assert_ne!(by("seLinuxOptions", "v1.30", &pod), "");
        assert_eq!(by("seLinuxOptions", "v1.31", &pod), "");
    }
}
