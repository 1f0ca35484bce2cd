//! CVE-2017-1002101: a `subPath` that a symbolic link in the volume leads out of it; and CVE-2021-25741, which exchanged
//! the path for a link between the check and the mount.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringfence_context::effective::RefusalReason;
use serde_json::json;

use crate::{exchange, pod, race_time};

fn spec(volume: &std::path::Path, sub_path: &str) -> serde_json::Value {
    json!({
        "volumes": [{"name": "v", "hostPath": {"path": volume, "type": "Directory"}}],
        "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": sub_path}]}]
    })
}

#[test]
fn a_sub_path_through_a_link_that_leads_out_of_the_volume_is_refused_in_the_kubelets_words() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, outside) = (dir.path().join("volume"), dir.path().join("outside"));
    fs::create_dir(&volume).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("which"), "outside").unwrap();
    symlink(&outside, volume.join("absolute")).unwrap();
    symlink("../outside", volume.join("relative")).unwrap();
    symlink("/", volume.join("root")).unwrap();
    for engine in pod::engines() {
        for sub_path in ["absolute", "relative", "root/etc", "absolute/new"] {
            let error = pod::run(&*engine, spec(&volume, sub_path), &["cat", "/v/which"]).unwrap_err();
            let refusal = error.refusal().unwrap();
            assert_eq!(refusal.reason, RefusalReason::CreateContainerConfigError);
            assert_eq!(refusal.message, "failed to prepare subPath for volumeMount \"v\" of container \"c\"");
        }
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something was made outside");
}

#[test]
fn a_sub_path_that_is_exchanged_for_a_link_shows_nothing_of_what_is_outside() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, outside) = (dir.path().join("volume"), dir.path().join("outside"));
    for (path, text) in [(&outside, "outside"), (&volume.join("sub"), "inside")] {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join("which"), text).unwrap();
    }
    symlink(&outside, volume.join("link")).unwrap();
    let stop = AtomicBool::new(false);
    let (mut shown, mut refused) = (0_u32, 0_u32);
    for engine in pod::engines() {
        stop.store(false, Ordering::Relaxed);
        let exchanges = std::thread::scope(|scope| {
            let attacker = scope.spawn(|| exchange(&volume.join("sub"), &volume.join("link"), &stop));
            let end = Instant::now() + race_time() / 2;
            // A machine with much to do may not have come to both by then.
            let latest = end + Duration::from_mins(1);
            while Instant::now() < end || (shown == 0 || refused == 0) && Instant::now() < latest {
                match pod::run(&*engine, spec(&volume, "sub"), &["cat", "/v/which"]) {
                    Ok((out, _)) => {
                        if out != "inside" {
                            stop.store(true, Ordering::Relaxed);
                        }
                        assert_eq!(out, "inside", "{}", engine.name());
                        shown += 1;
                    }
                    Err(error) if error.refusal().is_some() => refused += 1,
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        panic!("{}: {error:?}", engine.name());
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
            attacker.join().unwrap()
        });
        assert!(exchanges > 100, "there was no race");
    }
    println!("{shown} shown, {refused} refused");
    assert!(shown > 0 && refused > 0, "{shown} shown, {refused} refused: there was no race");
}
