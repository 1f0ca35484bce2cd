//! A confined process started, waited for and cleaned up: the built-in launcher beside the external runtimes that are
//! here. Everything that a pod's container has is applied: namespaces, mounts, masked paths, credentials, seccomp.

#[path = "../tests/launcher/harness.rs"]
#[allow(dead_code)] // Shared with the tests, which use more of it.
mod harness;

use divan::Bencher;
use harness::Bed;
use oci_spec::runtime::LinuxSeccomp;
use ringfence_runtime::external::External;
use ringfence_runtime::seccomp::{KernelVersion, Profile, Target, runtime_default};

fn main() {
    divan::main();
}

fn profile() -> Option<LinuxSeccomp> {
    let kernel = KernelVersion::parse(&rustix::system::uname().release().to_string_lossy());
    Profile::oci(&runtime_default::<&str>(Target::native()?, kernel, &[])).cloned()
}

/// A container as Kubernetes starts it for a confined user.
fn confined() -> Option<Bed> {
    let mut bed = Bed::new()?;
    bed.capabilities(&harness::default_capabilities());
    if harness::is_root() {
        bed.user(1000, 3000, &[2000]);
    }
    bed.process().set_no_new_privileges(Some(true));
    bed.linux().set_seccomp(profile());
    Some(bed)
}

#[divan::bench(sample_count = 50)]
fn built_in(bencher: Bencher<'_, '_>) {
    let Some(mut bed) = confined() else { return };
    bencher.bench_local(|| bed.run(&["/bin/true"]).expect("a start"));
}

#[divan::bench(sample_count = 20, args = ["runc", "crun"])]
fn external(bencher: Bencher<'_, '_>, runtime: &str) {
    let Some(mut bed) = confined() else { return };
    let Ok(engine) = External::find(runtime) else {
        println!("skipped: no {runtime} here");
        return;
    };
    bencher.bench_local(|| bed.run_under(&engine, &["/bin/true"]).expect("a start"));
}
