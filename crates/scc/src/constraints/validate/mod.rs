//! What the API server objects to in an SCC itself.
//!
//! Upstream: `ValidateSecurityContextConstraints` of the plugin
//! `security.openshift.io/ValidateSecurityContextConstraints`, after the defaults, and the schema of the custom
//! resource for the one enumeration.

mod metadata;
mod sysctls;

use super::{ALL, GroupStrategyOptions, IDRange, SecurityContextConstraints};
use crate::Value;
use crate::go::{json_string, quote};
use crate::violation::{Fault, FieldError};

/// Every objection to a new SCC, in the API server's order. Apply the defaults first, as it does.
pub fn validate(scc: &SecurityContextConstraints) -> Vec<FieldError> {
    let mut out = Errors::default();
    metadata::validate(&scc.metadata, &mut out);
    validate_constraints(scc, &mut out);
    out.0
}

/// Every objection to a changed SCC.
pub fn validate_update(new: &SecurityContextConstraints, old: &SecurityContextConstraints) -> Vec<FieldError> {
    let mut out = Errors::default();
    metadata::validate_update(&new.metadata, &old.metadata, &mut out);
    out.0.extend(validate(new));
    out.0
}

#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn push(&mut self, field: impl Into<String>, fault: Fault, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), fault, detail: detail.into() });
    }

    fn invalid(&mut self, field: impl Into<String>, value: Value, detail: impl Into<String>) {
        self.push(field, Fault::Invalid(value), detail);
    }
}

fn validate_constraints(scc: &SecurityContextConstraints, out: &mut Errors) {
    if let Some(priority) = scc.priority.filter(|p| *p < 0) {
        out.invalid("priority", Value::Int(priority.into()), "priority cannot be negative");
    }
    validate_strategies(scc, out);
    validate_groups(&scc.fs_group, "fsGroup", out);
    validate_groups(&scc.supplemental_groups, "supplementalGroups", out);
    validate_capabilities(scc, out);
    if scc.default_allow_privilege_escalation == Some(true) && scc.allow_privilege_escalation == Some(false) {
        let detail =
            "Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true";
        out.invalid("defaultAllowPrivilegeEscalation", Value::Bool(true), detail);
    }
    validate_volumes(scc, out);
    sysctls::validate(scc, out);
    let level = scc.user_namespace_level.as_str();
    if !["", "AllowHostLevel", "RequirePodLevel"].contains(&level) {
        let fault = Fault::NotSupported(Value::String(level.into()));
        out.push("userNamespaceLevel", fault, supported(&["AllowHostLevel", "RequirePodLevel"]));
    }
}

fn validate_strategies(scc: &SecurityContextConstraints, out: &mut Errors) {
    let user = scc.run_as_user.type_.as_str();
    if !["MustRunAs", "MustRunAsNonRoot", "MustRunAsRange", "RunAsAny"].contains(&user) {
        let detail = "invalid strategy type.  Valid values are MustRunAs, MustRunAsNonRoot, MustRunAsRange, RunAsAny";
        out.invalid("runAsUser.type", json(user), detail);
    }
    if let Some(uid) = scc.run_as_user.uid.filter(|uid| *uid < 0) {
        out.invalid("runAsUser.uid", Value::Int(uid), "uid cannot be negative");
    }
    let label = scc.se_linux_context.type_.as_str();
    if !["MustRunAs", "RunAsAny"].contains(&label) {
        let detail = "invalid strategy type.  Valid values are MustRunAs, RunAsAny";
        out.invalid("seLinuxContext.type", json(label), detail);
    }
}

fn validate_groups(options: &GroupStrategyOptions, field: &str, out: &mut Errors) {
    if !["MustRunAs", "RunAsAny"].contains(&options.type_.as_str()) {
        let fault = Fault::NotSupported(json(&options.type_));
        out.push(format!("{field}.type"), fault, supported(&["MustRunAs", "RunAsAny"]));
    }
    for (i, range) in options.ranges.iter().enumerate() {
        let (min, max) = (format!("{field}.ranges[{i}].min"), format!("{field}.ranges[{i}].max"));
        if range.min < 0 {
            out.invalid(&min, Value::Int(range.min), "min cannot be negative");
        }
        if range.max < 0 {
            out.invalid(max, Value::Int(range.max), "max cannot be negative");
        }
        if range.min > range.max {
            out.invalid(min, range_json(*range), "min cannot be greater than max");
        }
    }
}

/// A range as JSON without its zeros, which Go omits.
fn range_json(range: IDRange) -> Value {
    let parts = [("min", range.min), ("max", range.max)];
    let parts: Vec<String> = parts.iter().filter(|(_, n)| *n != 0).map(|(k, n)| format!("\"{k}\":{n}")).collect();
    Value::Json(format!("{{{}}}", parts.join(",")))
}

fn validate_capabilities(scc: &SecurityContextConstraints, out: &mut Errors) {
    let drops = &scc.required_drop_capabilities;
    for (field, list) in
        [("defaultAddCapabilities", &scc.default_add_capabilities), ("allowedCapabilities", &scc.allowed_capabilities)]
    {
        for cap in list.iter().filter(|c| drops.contains(c)) {
            let detail = format!("capability is listed in {field} and requiredDropCapabilities");
            out.invalid(field, json(cap), detail);
        }
    }
    if scc.allowed_capabilities.iter().any(|c| c == ALL) && !drops.is_empty() {
        let detail = "required capabilities must be empty when all capabilities are allowed by a wildcard";
        out.invalid("requiredDropCapabilities", Value::Strings(drops.clone()), detail);
    }
}

fn validate_volumes(scc: &SecurityContextConstraints, out: &mut Errors) {
    let volumes = scc.volumes.as_deref().unwrap_or_default();
    if volumes.len() > 1 && volumes.iter().any(|v| v == "none") {
        let detail = "if 'none' is specified, no other values are allowed";
        out.invalid("volumes", Value::Strings(volumes.to_vec()), detail);
    }
    if scc.allowed_flex_volumes.is_empty() {
        return;
    }
    if !scc.allows_volume("flexVolume") {
        let drivers: Vec<String> =
            scc.allowed_flex_volumes.iter().map(|v| format!("{{\"driver\":{}}}", json_string(&v.driver))).collect();
        let value = Value::Json(format!("[{}]", drivers.join(",")));
        let detail = "volumes does not include 'flexVolume' or '*', so no flex volumes are allowed";
        out.invalid("allowedFlexVolumes", value, detail);
        return;
    }
    for (i, _) in scc.allowed_flex_volumes.iter().enumerate().filter(|(_, v)| v.driver.is_empty()) {
        out.push(format!("allowedFlexVolumes[{i}].driver"), Fault::Required, "must specify a driver");
    }
}

fn supported(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|v| quote(v)).collect();
    format!("supported values: {}", quoted.join(", "))
}

/// Go prints a string of a named type as JSON, not with `%q`.
fn json(s: &str) -> Value {
    Value::Json(json_string(s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraints::{AllowedFlexVolume, decode};

    fn valid() -> SecurityContextConstraints {
        let mut scc = decode(serde_json::json!({
            "metadata": {"name": "x"},
            "runAsUser": {"type": "RunAsAny"},
            "seLinuxContext": {"type": "RunAsAny"},
            "volumes": ["secret"],
        }))
        .unwrap();
        scc.set_defaults();
        scc
    }

    fn errors(change: impl FnOnce(&mut SecurityContextConstraints)) -> Vec<String> {
        let mut scc = valid();
        change(&mut scc);
        validate(&scc).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn has_nothing_against_a_plain_one() {
        assert!(errors(|_| {}).is_empty());
    }

    #[test]
    fn a_priority_and_a_user_are_not_negative() {
        assert_eq!(errors(|s| s.priority = Some(-1)), ["priority: Invalid value: -1: priority cannot be negative"]);
        assert_eq!(
            errors(|s| s.run_as_user.uid = Some(-5)),
            ["runAsUser.uid: Invalid value: -5: uid cannot be negative"]
        );
    }

    #[test]
    fn strategies_must_exist() {
        assert_eq!(
            errors(|s| {
                s.run_as_user.type_ = "Anyone".into();
                s.se_linux_context.type_ = String::new();
                s.fs_group.type_ = "MustRunAsRange".into();
            }),
            [
                "runAsUser.type: Invalid value: \"Anyone\": invalid strategy type.  Valid values are MustRunAs, MustRunAsNonRoot, MustRunAsRange, RunAsAny",
                "seLinuxContext.type: Invalid value: \"\": invalid strategy type.  Valid values are MustRunAs, RunAsAny",
                "fsGroup.type: Unsupported value: \"MustRunAsRange\": supported values: \"MustRunAs\", \"RunAsAny\"",
            ]
        );
    }

    #[test]
    fn ranges_must_be_possible() {
        assert_eq!(
            errors(|s| s.supplemental_groups.ranges = vec![IDRange { min: -1, max: -2 }, IDRange { min: 5, max: 0 }]),
            [
                "supplementalGroups.ranges[0].min: Invalid value: -1: min cannot be negative",
                "supplementalGroups.ranges[0].max: Invalid value: -2: max cannot be negative",
                "supplementalGroups.ranges[0].min: Invalid value: {\"min\":-1,\"max\":-2}: min cannot be greater than max",
                "supplementalGroups.ranges[1].min: Invalid value: {\"min\":5}: min cannot be greater than max",
            ]
        );
    }

    #[test]
    fn a_capability_is_either_dropped_or_allowed() {
        assert_eq!(
            errors(|s| {
                s.required_drop_capabilities = vec!["KILL".into()];
                s.default_add_capabilities = vec!["KILL".into()];
                s.allowed_capabilities = vec!["*".into()];
            }),
            [
                "defaultAddCapabilities: Invalid value: \"KILL\": capability is listed in defaultAddCapabilities and requiredDropCapabilities",
                "requiredDropCapabilities: Invalid value: [\"KILL\"]: required capabilities must be empty when all capabilities are allowed by a wildcard",
            ]
        );
    }

    #[test]
    fn escalation_is_no_default_where_it_is_not_allowed() {
        assert_eq!(
            errors(|s| {
                s.default_allow_privilege_escalation = Some(true);
                s.allow_privilege_escalation = Some(false);
            }),
            [
                "defaultAllowPrivilegeEscalation: Invalid value: true: Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true"
            ]
        );
    }

    #[test]
    fn none_stands_alone_and_drivers_want_their_volume() {
        assert_eq!(
            errors(|s| s.volumes = Some(vec!["none".into(), "secret".into()])),
            ["volumes: Invalid value: [\"none\",\"secret\"]: if 'none' is specified, no other values are allowed"]
        );
        let driver = |d: &str| AllowedFlexVolume { driver: d.into() };
        assert_eq!(
            errors(|s| s.allowed_flex_volumes = vec![driver("a/b")]),
            [
                "allowedFlexVolumes: Invalid value: [{\"driver\":\"a/b\"}]: volumes does not include 'flexVolume' or '*', so no flex volumes are allowed"
            ]
        );
        assert_eq!(
            errors(|s| {
                s.volumes = Some(vec!["flexVolume".into()]);
                s.allowed_flex_volumes = vec![driver("")];
            }),
            ["allowedFlexVolumes[0].driver: Required value: must specify a driver"]
        );
    }

    #[test]
    fn the_level_of_user_namespaces_is_one_of_two() {
        assert_eq!(
            errors(|s| s.user_namespace_level = "Never".into()),
            [
                "userNamespaceLevel: Unsupported value: \"Never\": supported values: \"AllowHostLevel\", \"RequirePodLevel\""
            ]
        );
    }

    #[test]
    fn decoding_names_the_field() {
        let error = decode(serde_json::json!({"fsGroup": {"ranges": [{"min": "x"}]}})).unwrap_err();
        assert_eq!(error.field, "fsGroup.ranges[0].min");
        assert_eq!(error.to_string(), "fsGroup.ranges[0].min: invalid type: string \"x\", expected i64");
        assert!(decode(serde_json::json!({"allowHostIPC": null, "fsGroup": null, "users": null})).is_ok());
    }
}
