//! What is wrong with a profile is said with its place, and a hostile one does no harm.

use ringfence_operators::profile::Profile;
use ringfence_operators::{Item, Operators, Platform};

const GOOD: &str = "apiVersion: ringfence.dev/v1alpha1
kind: OperatorProfile
metadata: {name: mine}
spec:
  title: Mine
  versions: {oldest: 1.0.0, default: 1.1.0, newest: 1.2.0}
  resources:
  - group: example.com
    kind: Thing
    workloads:
    - kind: Deployment
      name: ${self.metadata.name}
      steps:
      - at: spec.containers[app].image
        why: the image
        value: app
";

#[track_caller]
fn first_error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Profile::read(GOOD.replace(from, to).as_bytes()).expect_err("something is wrong")[0].to_string()
}

#[test]
fn each_mistake_is_told_with_line_column_and_field() {
    assert!(Profile::read(GOOD.as_bytes()).is_ok());
    for (from, to, expected) in [
        ("v1alpha1", "v9", "1:1: apiVersion: unknown variant `ringfence.dev/v9`, expected `ringfence.dev/v1alpha1`"),
        ("kind: Deployment", "kind: Deploy", "11:7: spec.resources[0].workloads[0].kind: unknown variant `Deploy`"),
        ("title: Mine", "titel: Mine", "5:3: spec.titel: unknown field `titel`, expected one of `title`"),
        ("default: 1.1.0", "default: 2.0.0", "6:29: spec.versions.default: the default version must lie between"),
        ("oldest: 1.0.0", "oldest: newest", "6:14: spec.versions.oldest: \"newest\" is no version"),
        ("name: mine", "name: My One", "3:12: metadata.name: \"My One\": use lower case letters"),
        (
            "${self.metadata.name}",
            "${me}",
            "12:7: spec.resources[0].workloads[0].name: unknown name \"me\"; known are self",
        ),
        ("${self.metadata.name}", "${1 +}", "12:7: spec.resources[0].workloads[0].name: "),
        ("${self.metadata.name}", "${1", "12:7: spec.resources[0].workloads[0].name: ${ is never closed by }"),
        (
            "spec.containers[app].image",
            "containers",
            "14:9: spec.resources[0].workloads[0].steps[0].at: \"containers\" is no place",
        ),
        ("        why: the image\n", "", "14:9: spec.resources[0].workloads[0].steps[0]: say why the operator adds"),
        (
            "value: app",
            "from: spec.image",
            "16:9: spec.resources[0].workloads[0].steps[0].from: \"spec.image\": write self.",
        ),
        ("title: Mine", "title: Mine\n  title: Twice", "6:3: spec.title"),
        ("metadata: {name: mine}", "metadata: {name: [}", "3:"),
    ] {
        let error = first_error(from, to);
        assert!(error.contains(expected.split_once(": ").map_or(expected, |(_, rest)| rest)), "{to}: {error}");
        let place = expected.split(": ").next().unwrap_or_default();
        assert!(error.starts_with(place), "{to}: {error}");
    }
    assert!(Profile::read(b"").unwrap_err()[0].to_string().contains("holds no profile"));
}

fn thing(profile: &str) -> ringfence_operators::Derived {
    let mut operators = Operators::new(Platform::Kubernetes);
    operators.add(Profile::read(profile.as_bytes()).expect("a sound profile").remove(0));
    let list = "1,".repeat(3000);
    let text =
        format!("apiVersion: example.com/v1\nkind: Thing\nmetadata: {{name: t}}\nspec: {{list: [{list}], image: 7}}\n");
    let documents = ringfence_manifest::read(text.as_bytes());
    match operators.items(&documents[0]).pop() {
        Some(Item::Derived(derived)) => *derived,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_expression_that_would_run_for_ever_is_refused_before_it_runs() {
    let before = std::time::Instant::now();
    let nested = "${self.spec.list.map(a, self.spec.list.map(b, a * b)).size() > 0 ? 'a' : 'b'}";
    let derived = thing(&GOOD.replace("value: app", &format!("value: \"{nested}\"")));
    assert!(derived.problems[0].message.contains("too much to work out"), "{:?}", derived.problems);
    let deep = format!("value: \"${{{}1{}}}\"", "(".repeat(300), ")".repeat(300));
    let error = Profile::read(GOOD.replace("value: app", &deep).as_bytes()).unwrap_err()[0].to_string();
    assert!(error.contains("nested more than 24 deep"), "{error}");
    let nest = format!("value: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(Profile::read(GOOD.replace("value: app", &nest).as_bytes()).is_err());
    assert!(before.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn what_a_profile_puts_into_a_pod_is_held_against_the_apis_types() {
    let taken = GOOD.replace("        why: the image\n        value: app", "        from: self.spec.image");
    let derived = thing(&taken);
    assert_eq!((derived.problems[0].field.as_str(), derived.problems[0].kind.as_str()), ("spec.image", "type"));
    let clash = GOOD.replace(
        "      - at: spec.containers[app].image",
        "      - {at: spec.containers, why: w, value: {a: 1}}\n      - at: spec.containers[app].image",
    );
    assert!(thing(&clash).problems[0].message.contains("expected a list, found a mapping"));
}

#[test]
fn a_setting_that_is_not_known_is_refused_with_what_is() {
    let mut operators = Operators::default();
    let mut set = |text: &str| operators.set(&text.parse().unwrap()).unwrap_err().to_string();
    assert_eq!(set("ekc@2.0.0"), "no operator is called \"ekc\"; known are eck, redis-enterprise, olm");
    assert_eq!(set("eck@0.9.0"), "eck 0.9.0 is older than what its profile knows, 1.0.0");
    assert_eq!(set("eck,color=red"), "eck has no setting \"color\"; known are set-default-security-context, platform");
    let wrong = "set-default-security-context cannot be \"maybe\"; it is one of auto-detect, true, false";
    assert_eq!(set("eck,set-default-security-context=maybe"), wrong);
    assert!("eck@x".parse::<ringfence_operators::OperatorSetting>().is_err());
    assert!("eck,platform".parse::<ringfence_operators::OperatorSetting>().is_err());
}

#[test]
fn a_newer_operator_than_the_profile_knows_is_taken_and_said() {
    let mut operators = Operators::default();
    operators.set(&"redis-enterprise@9.0.0-1".parse().unwrap()).unwrap();
    let text = b"{apiVersion: app.redislabs.com/v1, kind: RedisEnterpriseCluster, metadata: {name: rec}}";
    let documents = ringfence_manifest::read(text);
    let Some(Item::Derived(derived)) = operators.items(&documents[0]).pop() else { panic!("nothing is derived") };
    assert!(derived.notes[0].message.contains("is newer than what its profile was held against, 8.0.20-23"));
}
