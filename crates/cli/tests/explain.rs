//! `ringfence explain` from the outside.

mod common;

use common::{lines, ringfence};

#[test]
fn values_have_their_origins_and_unknowns_say_what_is_missing() {
    let ran = ringfence(["explain", "examples/walkthrough"], "");
    insta::assert_snapshot!(ran.out);
}

#[test]
fn image_facts_fill_in_what_the_manifest_cannot_tell() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images.yaml");
    std::fs::write(
        &images,
        "images:\n- name: busybox:1\n  user: app\n  passwd: \"app:x:1500:1501::/srv:/bin/sh\\n\"\n  group: \"audio:x:29:app\\n\"\n",
    )
    .unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: \"docker.io/library/busybox:1\"}]}\n";
    let ran = ringfence(["explain", "--images", images.to_str().unwrap(), "-o", "jsonl", "-"], pod);
    let computed = &lines(&ran)[0]["containers"][0]["computed"];
    assert_eq!((&computed["uid"], &computed["gid"], &computed["home"]), (&1500.into(), &1501.into(), &"/srv".into()));
    assert_eq!(computed["groups"], serde_json::json!([29, 1501]));
}

#[test]
fn a_misspelt_key_in_a_facts_file_is_an_error_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node.yaml");
    std::fs::write(&node, "apparmour: true\n").unwrap();
    let ran = ringfence(["explain", "--node", node.to_str().unwrap(), "-"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("node.yaml:1:1: unknown field `apparmour`"), "{}", ran.err);
}

#[test]
fn a_refusal_of_the_kubelet_is_foreseen() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, securityContext: {runAsUser: 0, runAsNonRoot: true}}]}\n";
    let ran = ringfence(["explain", "-"], pod);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("will not start: CreateContainerConfigError"), "{}", ran.out);
}

#[test]
fn a_claim_is_followed_to_its_volume_and_driver_for_fs_group_and_the_selinux_mount() {
    let objects = |modes: &str, driver: &str| {
        format!(
            "{{kind: Pod, apiVersion: v1, metadata: {{name: p}}, spec: {{securityContext: {{fsGroup: 7, seLinuxOptions: \
             {{level: 's0:c1,c2'}}}}, volumes: [{{name: v, persistentVolumeClaim: {{claimName: c}}}}], containers: [{{name: \
             c, image: i, volumeMounts: [{{name: v, mountPath: /v}}]}}]}}}}\n---\n{{kind: PersistentVolume, apiVersion: v1, \
             metadata: {{name: pv}}, spec: {{accessModes: [{modes}], claimRef: {{name: c}}, csi: {{driver: d, \
             volumeHandle: h, fsType: ext4}}}}}}\n---\n{{kind: CSIDriver, apiVersion: storage.k8s.io/v1, metadata: \
             {{name: d}}, spec: {{{driver}}}}}\n"
        )
    };
    let mount = |text: &str| {
        let ran = common::ringfence(["explain", "-o", "jsonl", "-"], text);
        let pod = common::lines(&ran).into_iter().find(|line| line["kind"] == "Pod").unwrap();
        pod["containers"][0]["effective"]["mounts"][0].clone()
    };
    let right = mount(&objects("ReadWriteOncePod", "fsGroupPolicy: File, seLinuxMount: true"));
    assert_eq!(right["contextMount"], serde_json::json!([]), "{right}");
    assert_eq!(right["fsGroup"]["value"], 7, "{right}");
    let wrong = mount(&objects("ReadWriteMany", "fsGroupPolicy: None"));
    assert_eq!(wrong["contextMount"].as_array().unwrap().len(), 2, "{wrong}");
    assert!(wrong["fsGroup"].to_string().contains("because fsGroupPolicy of d is None"), "{wrong}");
    let text = common::ringfence(["explain", "-"], objects("ReadWriteMany", "fsGroupPolicy: None")).out;
    assert!(text.contains("file by file"), "{text}");
}
