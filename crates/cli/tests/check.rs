//! `ringfence check` from the outside.

mod common;

use common::{lines, ringfence};

const WEB: &str = "crates/cli/tests/inputs/web.yaml";

#[test]
fn reports_point_at_the_line_and_say_what_to_write() {
    let ran = ringfence(["check", WEB], "");
    assert_eq!(ran.code, 1, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn every_version_at_once_gives_the_ranges() {
    let ran = ringfence(["check", "--pss", "baseline@all", "--pss", "restricted@all", "examples/walkthrough"], "");
    insta::assert_snapshot!(ran.out);
}

#[test]
fn github_annotations() {
    insta::assert_snapshot!(ringfence(["check", "-o", "github", WEB], "").out);
}

#[test]
fn junit_has_a_case_for_each_object() {
    insta::assert_snapshot!(ringfence(["check", "-o", "junit", "--pss", "baseline", WEB], "").out);
}

#[test]
fn sarif_points_at_the_place_and_carries_the_controls_page() {
    let ran = ringfence(["check", "-o", "sarif", "--pss", "baseline", WEB], "");
    let log: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let ports = results.iter().find(|result| result["ruleId"] == "hostPorts").unwrap();
    let region = &ports["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&19.into(), &47.into()));
    let rule = &run["tool"]["driver"]["rules"][ports["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "hostPorts");
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("## Use instead"));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn a_pod_that_is_admitted_is_clean() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n  containers:\n  - name: c\n    image: i\n    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";
    let ran = ringfence(["check", "-"], pod);
    assert_eq!((ran.code, &*ran.out), (0, "1 object checked against restricted@latest: all admitted\n"));
}

#[test]
fn what_latest_means_can_be_said() {
    let pod =
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let reasons = |version: &str| {
        let ran = ringfence(["check", "--kube-version", version, "-o", "jsonl", "-"], pod);
        lines(&ran)[0]["pss"][0]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reasons("v1.7"), "runAsNonRoot != true");
    assert!(reasons("v1.30").contains("seccompProfile"));
}

#[test]
fn the_rest_is_checked_when_something_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("1.yaml"), "kind: Pod\nmetadata: {name: a\n").unwrap();
    std::fs::write(path("2.yaml"), [0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe]).unwrap();
    std::fs::write(path("3.yaml"), format!("x: {}", "[".repeat(200_000))).unwrap();
    let levels: Vec<_> =
        (1..30).map(|i| format!("a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 9].join(","))).collect();
    let bomb = levels.join("\n");
    std::fs::write(path("4.yaml"), format!("a0: &a0 [x]\n{bomb}")).unwrap();
    std::fs::write(
        path("5.yaml"),
        "kind: Pod\napiVersion: v1\nmetadata: {name: good}\nspec: {hostNetwork: true, containers: []}\n",
    )
    .unwrap();
    let missing = path("missing.yaml");
    let ran = ringfence(["check", "-o", "jsonl", dir.path().to_str().unwrap(), missing.to_str().unwrap()], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("missing.yaml: cannot read: No such file or directory"), "{}", ran.err);
    let reports = lines(&ran);
    let errors: Vec<_> = reports.iter().filter(|report| report["error"].is_object()).collect();
    assert_eq!(errors.len(), 4, "{}", ran.out);
    for error in errors {
        assert!(error["error"]["line"].as_u64().unwrap() > 0);
    }
    assert_eq!(reports.last().unwrap()["name"], "good");
}

#[test]
fn colours_and_escape_sequences_stay_out_of_a_pipe() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: \"p\\e[31m\"}\nspec: {hostNetwork: true, containers: [{name: \"c\\e[2J\", image: i}]}\n";
    let ran = ringfence(["check", "-"], pod);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
    let ran = ringfence(["--color", "always", "check", "-"], pod);
    assert!(ran.out.contains("\u{1b}[") && !ran.out.contains("\u{1b}[2J"), "{:?}", ran.out);
}

#[test]
fn a_controls_page_is_found_by_its_name_in_any_case() {
    let ran = ringfence(["check", "--explain", "RUNASNONROOT"], "");
    assert!(ran.code == 0 && ran.out.starts_with("# runAsNonRoot\n"), "{}", ran.out);
    let ran = ringfence(["check", "--explain", "nothing"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--explain list"), "{}", ran.err);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error_message() {
    let mut command = std::process::Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_ringfence");
    command.args([
        "-c",
        &format!("for i in $(seq 2000); do cat {WEB}; echo; echo ---; done | {binary} check - | head -n 1"),
    ]);
    let output = command.current_dir(common::root()).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
