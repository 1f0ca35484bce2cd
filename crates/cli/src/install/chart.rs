//! The manifests. They have one source, the chart under `deploy/helm/ringfence`, which is rendered here as Helm would.

use serde_json::{Value, json};

use super::template::{TemplateError, render};

/// A template and its name.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../deploy/helm/ringfence/templates/", $name)))
    };
}

/// In the order in which their objects are made.
const TEMPLATES: [(&str, &str); 11] = [
    template!("namespace.yaml"),
    template!("scc-crd.yaml"),
    template!("waivers-crd.yaml"),
    template!("waivers.yaml"),
    template!("rbac.yaml"),
    template!("secret.yaml"),
    template!("configmap.yaml"),
    template!("deployment.yaml"),
    template!("controllers.yaml"),
    template!("reports.yaml"),
    template!("webhooks.yaml"),
];

const VALUES: &str = include_str!("../../../../deploy/helm/ringfence/values.yaml");

/// Why there are no manifests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChartError {
    /// A value is missing, or the chart is wrong.
    #[error("{template}")]
    Template {
        /// The template's name.
        template: &'static str,
        /// What is wrong.
        #[source]
        source: TemplateError,
    },
    /// What came out is no YAML, or no object: some value breaks out of its place.
    #[error("{template} gives no manifest: {message}")]
    Manifest {
        /// The template's name.
        template: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// What is chosen; the rest is as the chart has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    /// The namespace of the webhook.
    pub(crate) namespace: String,
    /// Who manages the objects, as their label `app.kubernetes.io/managed-by` says.
    pub(crate) manager: String,
    /// Values of the chart, by their path in it: `scc.enabled`.
    pub(crate) values: Vec<(&'static str, Value)>,
}

/// The objects that make an installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chart {
    /// In the order in which they are to be made.
    pub(crate) objects: Vec<Value>,
}

impl Chart {
    /// Renders the chart.
    pub(crate) fn render(choices: &Choices) -> Result<Self, ChartError> {
        let mut values = documents("values.yaml", VALUES)?.pop().unwrap_or_default();
        for (path, value) in &choices.values {
            let at = path.split('.').fold(&mut values, |at, field| &mut at[field]);
            *at = value.clone();
        }
        let root = json!({"Values": values,
            "Release": {"Namespace": choices.namespace, "Service": choices.manager}});
        let mut objects = Vec::new();
        for (template, text) in TEMPLATES {
            let text = render(text, &root).map_err(|source| ChartError::Template { template, source })?;
            objects.extend(documents(template, &text)?);
        }
        Ok(Self { objects })
    }

    /// Whatever an installation into that namespace can have, with waivers in that one; what is applied may differ in
    /// what it says, but not in where it is.
    pub(crate) fn everything(namespace: &str, waivers_from: &str) -> Result<Self, ChartError> {
        let on =
            ["scc.enabled", "scc.crd", "namespace.create", "waivers.enabled", "controllers.enabled", "reports.enabled"];
        let mut values: Vec<(&'static str, Value)> = on.into_iter().map(|path| (path, true.into())).collect();
        values.extend([
            ("image", "any".into()),
            ("podSecurityConfiguration", json!({"any": true})),
            ("waivers.namespace", waivers_from.into()),
        ]);
        Self::render(&Choices { namespace: namespace.to_owned(), manager: super::MANAGER.to_owned(), values })
    }

    /// As a stream of YAML documents.
    pub(crate) fn yaml(&self) -> String {
        let documents: Vec<String> = self.objects.iter().map(crate::yaml::document).collect();
        documents.join("---\n")
    }
}

/// The documents of a text that are not empty.
fn documents(template: &'static str, text: &str) -> Result<Vec<Value>, ChartError> {
    let failed = |message: String| ChartError::Manifest { template, message };
    let mut objects = Vec::new();
    for document in ringfence_manifest::read(text.as_bytes()) {
        if let Some(error) = document.error() {
            return Err(failed(format!("line {}: {}", error.location.line, error.message)));
        }
        let Some(root) = document.root() else { continue };
        let value = serde_json::to_value(root).map_err(|error| failed(error.to_string()))?;
        match value {
            Value::Null => {}
            Value::Object(_) => objects.push(value),
            _ => return Err(failed("it is no object".to_owned())),
        }
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: &str = "ringfence-system";

    fn chart(values: &[(&'static str, Value)]) -> Chart {
        let mut values = values.to_vec();
        values.insert(0, ("image", "ringfence:0.1.0".into()));
        Chart::render(&Choices { namespace: NAMESPACE.into(), manager: "kustomize".into(), values }).unwrap()
    }

    fn of<'c>(chart: &'c Chart, kind: &str) -> Vec<&'c Value> {
        chart.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// Every combination of the values that switch something.
    fn all() -> Vec<Chart> {
        let (no, yes) = (json!(false), json!(true));
        let switches = [
            [vec![("scc.enabled", no.clone())], vec![("scc.enabled", yes.clone())]],
            [
                vec![("scc.crd", no.clone()), ("advisory", no.clone())],
                vec![("scc.crd", yes.clone()), ("advisory", yes.clone())],
            ],
            [vec![("namespace.create", no.clone())], vec![("namespace.create", yes.clone()), ("landlock", no)]],
            [vec![("url", json!(""))], vec![("url", json!("https://127.0.0.1:8443"))]],
            [vec![("failurePolicy", json!("Fail"))], vec![("failurePolicy", json!("Ignore"))]],
            [vec![], vec![("certificates.secret", json!("tls")), ("certificates.caBundle", json!("QQ=="))]],
            [
                vec![],
                vec![
                    ("podSecurityConfiguration", json!({"defaults": {"enforce": "baseline"}})),
                    ("hints", yes.clone()),
                ],
            ],
            [
                vec![("events", json!(false))],
                vec![("controllers.enabled", yes.clone()), ("reports.enabled", yes.clone()), ("waivers.enabled", yes)],
            ],
        ];
        let of = |bits: usize| switches.iter().enumerate().flat_map(move |(i, values)| values[bits >> i & 1].clone());
        (0..1 << switches.len()).map(|bits| chart(&of(bits).collect::<Vec<_>>())).collect()
    }

    #[test]
    fn every_combination_gives_objects_that_a_strict_reader_takes() {
        for chart in all() {
            let yaml = chart.yaml();
            for document in ringfence_manifest::read(yaml.as_bytes()) {
                let problems = document.problems();
                assert!(problems.is_empty(), "{problems:?}\n{yaml}");
            }
            for object in &chart.objects {
                assert_eq!(
                    object["metadata"]["labels"]["app.kubernetes.io/part-of"].is_null(),
                    object["kind"] == "CustomResourceDefinition",
                    "{object}"
                );
                let namespaced = !matches!(
                    object["kind"].as_str().unwrap(),
                    "Namespace"
                        | "ClusterRole"
                        | "ClusterRoleBinding"
                        | "CustomResourceDefinition"
                        | "ValidatingWebhookConfiguration"
                        | "MutatingWebhookConfiguration"
                );
                let within = object["metadata"]["namespace"].as_str();
                let waivers = object["metadata"]["name"] == "ringfence-waivers";
                let own = if waivers { "ringfence-waivers" } else { NAMESPACE };
                assert_eq!(within, namespaced.then_some(own), "{object}");
            }
        }
    }

    #[test]
    fn no_webhook_is_asked_about_what_the_cluster_recovers_with() {
        for chart in all() {
            let hooks = of(&chart, "ValidatingWebhookConfiguration")
                .into_iter()
                .chain(of(&chart, "MutatingWebhookConfiguration"));
            for hook in hooks.flat_map(|configuration| configuration["webhooks"].as_array().unwrap()) {
                let excluded = &hook["namespaceSelector"]["matchExpressions"];
                assert_eq!(
                    excluded[0],
                    json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [NAMESPACE]})
                );
                assert_eq!(
                    excluded[1],
                    json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]})
                );
                let effects = &hook["sideEffects"];
                assert!(effects == "None" || effects == "NoneOnDryRun", "{hook}");
                assert_eq!(hook["timeoutSeconds"], 5);
                // Nothing that keeps the cluster itself going: leases, nodes, events, or these configurations.
                let resources =
                    hook["rules"].as_array().unwrap().iter().flat_map(|rule| rule["resources"].as_array().unwrap());
                assert!(resources.clone().all(|resource| !resource.as_str().unwrap().contains('*')));
                let name = hook["name"].as_str().unwrap();
                assert_eq!(hook["failurePolicy"] == "Ignore", name.contains("advice") || chart.is_lenient(), "{hook}");
            }
        }
    }

    impl Chart {
        fn is_lenient(&self) -> bool {
            let hooks = of(self, "ValidatingWebhookConfiguration")[0]["webhooks"].as_array().unwrap().clone();
            hooks[0]["failurePolicy"] == "Ignore"
        }
    }

    #[test]
    fn the_server_may_write_its_secret_and_its_configurations_alone() {
        let chart = chart(&[("scc.enabled", true.into())]);
        let rules = of(&chart, "ClusterRole")
            .into_iter()
            .chain(of(&chart, "Role"))
            .flat_map(|role| role["rules"].as_array().unwrap());
        for rule in rules {
            // It makes events, where it is to tell of refused pods.
            if rule["resources"] == json!(["events"]) {
                assert_eq!(rule["verbs"], json!(["get", "create", "patch"]), "{rule}");
                continue;
            }
            let verbs: Vec<&str> =
                rule["verbs"].as_array().unwrap().iter().map(|verb| verb.as_str().unwrap()).collect();
            assert!(verbs.iter().all(|verb| ["get", "list", "watch", "patch", "update"].contains(verb)), "{rule}");
            if verbs.contains(&"patch") || verbs.contains(&"update") || rule["resources"][0] == "secrets" {
                assert_eq!(rule["resourceNames"].as_array().map(Vec::len), Some(1), "{rule}");
            }
        }
    }

    /// What the account of that name may do: groups, resources, names and verbs.
    fn rights(chart: &Chart, account: &str) -> Vec<String> {
        let bindings = of(chart, "ClusterRoleBinding").into_iter().chain(of(chart, "RoleBinding"));
        let mut rights = Vec::new();
        for binding in bindings {
            let subjects = binding["subjects"].as_array().unwrap();
            if !subjects.iter().any(|subject| subject["name"] == account && subject["namespace"] == NAMESPACE) {
                continue;
            }
            let kind = binding["roleRef"]["kind"].as_str().unwrap();
            let role = of(chart, kind).into_iter().find(|role| role["metadata"]["name"] == binding["roleRef"]["name"]);
            for rule in role.unwrap()["rules"].as_array().unwrap() {
                let words = |field: &str| {
                    let all = rule[field].as_array().map_or(&[][..], Vec::as_slice);
                    all.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(",")
                };
                let names = words("resourceNames");
                let names = if names.is_empty() { names } else { format!("[{names}]") };
                rights.push(format!("{} {}{names}: {}", words("apiGroups"), words("resources"), words("verbs")));
            }
        }
        rights
    }

    #[test]
    fn each_component_has_an_account_of_its_own_with_the_rights_that_it_uses() {
        let every = Chart::everything(NAMESPACE, "ringfence-waivers").unwrap();
        assert_eq!(
            rights(&every, "ringfence-controllers"),
            [
                " namespaces: get,list,watch,patch",
                " serviceaccounts: list,watch",
                "security.openshift.io securitycontextconstraints: list,watch",
                "rbac.authorization.k8s.io roles,clusterroles,rolebindings,clusterrolebindings: list,watch",
                "coordination.k8s.io leases: create",
                "coordination.k8s.io leases[ringfence-controllers]: get,update",
                " configmaps: create",
                " configmaps[ringfence-scc-uid]: get,patch",
                " events: create",
            ]
        );
        assert_eq!(
            rights(&every, "ringfence-reports"),
            [
                " namespaces,pods: list,watch",
                "wgpolicyk8s.io policyreports,clusterpolicyreports: create",
                "wgpolicyk8s.io policyreports,clusterpolicyreports[ringfence]: get,list,watch,patch,delete",
                "events.k8s.io events: get,create,patch",
                "ringfence.dev waivers: list,watch",
                "coordination.k8s.io leases: create",
                "coordination.k8s.io leases[ringfence-reports]: get,update",
            ]
        );
        let less = chart(&[
            ("controllers.enabled", true.into()),
            ("controllers.sync", false.into()),
            ("controllers.ranges", false.into()),
            ("reports.enabled", true.into()),
            ("reports.events", false.into()),
        ]);
        assert_eq!(
            rights(&less, "ringfence-controllers"),
            [
                " namespaces: get,list,watch,patch",
                "coordination.k8s.io leases: create",
                "coordination.k8s.io leases[ringfence-controllers]: get,update",
            ]
        );
        assert!(
            !rights(&less, "ringfence-reports").iter().any(|right| right.contains("event") || right.contains("waiver"))
        );
        let quiet = chart(&[("events", false.into())]);
        assert!(!rights(&quiet, "ringfence").iter().any(|right| right.contains("event") || right.contains("jobs")));
        let hooks = of(&quiet, "ValidatingWebhookConfiguration")[0]["webhooks"].as_array().unwrap().clone();
        assert!(hooks.iter().all(|hook| hook["sideEffects"] == "None"));
        // Without anything chosen there is the webhooks' account alone.
        assert_eq!(of(&chart(&[]), "ServiceAccount").len(), 1);
    }

    #[test]
    fn each_deployment_has_a_budget_a_network_policy_and_probes() {
        let every = Chart::everything(NAMESPACE, "ringfence-waivers").unwrap();
        let deployments = of(&every, "Deployment");
        assert_eq!(deployments.len(), 3);
        for deployment in deployments {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let selector = &deployment["spec"]["selector"]["matchLabels"];
            assert_eq!(
                &json!({"app.kubernetes.io/name": "ringfence",
                "app.kubernetes.io/component": labels["app.kubernetes.io/component"]}),
                selector
            );
            let selects = |kind: &str, field: &str| {
                of(&every, kind).iter().filter(|object| &object["spec"][field]["matchLabels"] == selector).count()
            };
            assert_eq!((selects("PodDisruptionBudget", "selector"), selects("NetworkPolicy", "podSelector")), (1, 1));
            assert_eq!(deployment["spec"]["replicas"], 2);
            let spec = &deployment["spec"]["template"]["spec"];
            assert_eq!(spec["serviceAccountName"], deployment["metadata"]["name"]);
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                assert!(spec["containers"][0][probe]["httpGet"]["path"].is_string(), "{deployment}");
            }
        }
    }

    #[test]
    fn waivers_in_the_installations_own_namespace_make_none() {
        let chart = chart(&[("waivers.enabled", true.into()), ("waivers.namespace", NAMESPACE.into())]);
        assert!(of(&chart, "Namespace").is_empty());
        let server = &of(&chart, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
        assert!(server.as_array().unwrap().contains(&json!("--waivers-from=ringfence-system")), "{server}");
    }

    #[test]
    fn a_value_that_breaks_out_of_its_place_stays_in_it() {
        let evil = "x\"\nkind: Pod\n---\n{{ .Values.image }}";
        let choices = Choices { namespace: "n".into(), manager: "m".into(), values: vec![("image", evil.into())] };
        let chart = Chart::render(&choices).unwrap();
        assert_eq!(of(&chart, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"], evil);
        assert!(of(&chart, "Pod").is_empty());
        let missing = Chart::render(&Choices { values: vec![], ..choices }).unwrap_err();
        assert!(matches!(missing, ChartError::Template { source: TemplateError::Required(_), .. }), "{missing:?}");
    }

    /// The files that are the chart's in another form. `UPDATE_DEPLOY=1` writes them anew.
    fn agrees(file: &str, text: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
        if std::env::var_os("UPDATE_DEPLOY").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            text,
            "{file}: run the tests with UPDATE_DEPLOY=1"
        );
    }

    #[test]
    fn the_kustomization_is_the_chart() {
        let head = "# Made of the chart under deploy/helm/ringfence; the tests make it with UPDATE_DEPLOY=1.\n";
        agrees("kustomize/ringfence.yaml", &format!("{head}{}", chart(&[("namespace.create", true.into())]).yaml()));
        let with = chart(&[("namespace.create", true.into()), ("scc.enabled", true.into()), ("scc.crd", true.into())]);
        let mut without = chart(&[("namespace.create", true.into())]).objects;
        // The component has what constraints add: the definition, and the webhooks, in place of those without.
        without.retain(|object| object["kind"] != "ValidatingWebhookConfiguration");
        let added = with.objects.into_iter().filter(|object| !without.contains(object));
        let (own, changed): (Vec<_>, Vec<_>) =
            added.partition(|object| object["kind"] != "ValidatingWebhookConfiguration");
        agrees("kustomize/scc/added.yaml", &format!("{head}{}", Chart { objects: own }.yaml()));
        agrees("kustomize/scc/changed.yaml", &format!("{head}{}", Chart { objects: changed }.yaml()));
    }

    #[test]
    fn the_components_and_the_rights_to_apply_are_those_of_the_chart() {
        let plain = chart(&[]).objects;
        let head = "# Made of the chart under deploy/helm/ringfence; the tests make it with UPDATE_DEPLOY=1.";
        for (component, file, about) in [
            ("controllers.enabled", "controllers", "`ringfence sync --watch`: see docs/controllers.md"),
            ("reports.enabled", "reports", "`ringfence report --watch`: see docs/reports.md"),
        ] {
            let mut objects = chart(&[(component, true.into())]).objects;
            objects.retain(|object| !plain.contains(object));
            agrees(
                &format!("kustomize/{file}/added.yaml"),
                &format!("{head}\n{}", Chart { objects: objects.clone() }.yaml()),
            );
            // For whoever runs it elsewhere.
            let rights = |object: &Value| {
                object["kind"] == "ServiceAccount"
                    || object["apiVersion"].as_str().is_some_and(|api| api.starts_with("rbac"))
            };
            objects.retain(rights);
            let text = format!("# What may be done by {about}.\n{head}\n{}", Chart { objects }.yaml());
            agrees(&format!("rbac/{file}.yaml"), &text);
        }
        // A Deployment only gets an argument more, by a patch of the component.
        let mut objects = chart(&[("waivers.enabled", true.into()), ("reports.enabled", true.into())]).objects;
        let waivers = |object: &Value| {
            let metadata = &object["metadata"];
            metadata["name"] == "ringfence-waivers" || metadata["name"] == "waivers.ringfence.dev"
        };
        objects.retain(waivers);
        agrees("kustomize/waivers/added.yaml", &format!("{head}\n{}", Chart { objects: objects.clone() }.yaml()));
        objects.retain(|object| object["kind"] != "CustomResourceDefinition");
        let about = "# Where waivers count, and that they may be read there: see docs/waivers.md.";
        agrees("rbac/waivers.yaml", &format!("{about}\n{head}\n{}", Chart { objects }.yaml()));
    }

    #[test]
    fn the_charts_definitions_are_those_for_all() {
        for (value, file) in [("scc.crd", "securitycontextconstraints.yaml"), ("waivers.enabled", "waivers.yaml")] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds").join(file);
            let text = std::fs::read_to_string(path).unwrap();
            let mut own = of(&chart(&[(value, true.into())]), "CustomResourceDefinition")[0].clone();
            assert_eq!(own["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
            own["metadata"].as_object_mut().unwrap().remove("annotations");
            assert_eq!(vec![own], documents("", &text).unwrap());
        }
    }

    #[test]
    fn the_chart_is_of_this_version() {
        let text = include_str!("../../../../deploy/helm/ringfence/Chart.yaml");
        let chart = documents("Chart.yaml", text).unwrap().remove(0);
        assert_eq!(
            (&chart["version"], &chart["appVersion"]),
            (&json!(env!("CARGO_PKG_VERSION")), &json!(env!("CARGO_PKG_VERSION")))
        );
    }
}
