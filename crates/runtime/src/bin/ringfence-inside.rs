//! The probe and the guardian as a program of their own, for tests and for users of the library whose own program is not
//! static.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringfence_runtime::inside::main(std::env::args_os()).unwrap_or(ExitCode::from(2))
}
