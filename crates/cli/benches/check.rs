//! `ringfence check` as a whole process, on a tree of 10,000 manifests.
//!
//! `TREE=DIR cargo bench -p ringfence` keeps the tree there, to run other tools on the same files.
#![allow(clippy::unwrap_used, reason = "a bench that cannot run its subject fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    divan::main();
}

/// How many manifests.
const MANIFESTS: usize = 10_000;

/// A manifest as charts make them; each is another, and about half satisfy the restricted level.
fn manifest(i: usize) -> String {
    let context = if i.is_multiple_of(2) {
        "        securityContext:\n          allowPrivilegeEscalation: false\n          capabilities: {drop: [ALL]}\n          runAsNonRoot: true\n          seccompProfile: {type: RuntimeDefault}\n"
    } else {
        "        securityContext:\n          capabilities: {add: [NET_ADMIN]}\n"
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{i}\n  namespace: team-{}\n  labels: {{app: app-{i}}}\nspec:\n  replicas: {}\n  selector:\n    matchLabels: {{app: app-{i}}}\n  template:\n    metadata:\n      labels: {{app: app-{i}}}\n    spec:\n      serviceAccountName: app\n      containers:\n      - name: app\n        image: registry.example/app:{i}\n        ports:\n        - containerPort: 8080\n        env:\n        - name: LEVEL\n          value: \"info\"\n        resources:\n          requests: {{cpu: 100m, memory: 128Mi}}\n          limits: {{memory: 256Mi}}\n        livenessProbe:\n          httpGet: {{path: /healthz, port: 8080}}\n        volumeMounts:\n        - name: data\n          mountPath: /data\n{context}      volumes:\n      - name: data\n        emptyDir: {{}}\n",
        i % 50,
        i % 5
    )
}

fn write_tree(root: &Path) {
    for i in 0..MANIFESTS {
        let dir = root.join(format!("team-{}", i % 50));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("app-{i}.yaml")), manifest(i)).unwrap();
    }
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn ten_thousand_manifests(bencher: divan::Bencher) {
    let temporary = tempfile::tempdir().unwrap();
    let root = std::env::var_os("TREE").map_or_else(|| temporary.path().to_path_buf(), PathBuf::from);
    write_tree(&root);
    bencher.counter(divan::counter::ItemsCount::new(MANIFESTS)).bench_local(|| {
        let status = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["check", "-o", "jsonl"])
            .arg(&root)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1));
    });
}
