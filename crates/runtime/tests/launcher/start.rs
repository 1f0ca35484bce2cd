//! Starting and ending.

use ringfence_runtime::engine::Exit;

use crate::harness::{Bed, default_capabilities};

#[test]
fn a_command_runs_and_its_exit_code_arrives() {
    let Some(mut bed) = Bed::new() else { return };
    bed.capabilities(&default_capabilities());
    assert_eq!(bed.run(&["/bin/true"]).expect("a start").exit, Exit::Code(0));
    assert_eq!(bed.sh("exit 7").expect("a start").exit, Exit::Code(7));
    assert_eq!(bed.sh("echo hello").expect("a start").out, "hello\n");
}
