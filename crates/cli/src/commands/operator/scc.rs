//! `ringfence operator scc`.

use std::io::Write as _;

use crate::commands::{output_failed, stdout};
use crate::exit::Exit;
use crate::yaml;

/// The security context constraint that an operator needs, as a manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The operator.
    operator: Operator,
}

const EXAMPLES: &str = "\
Examples:
  ringfence operator scc redis-enterprise | oc apply -f -
  ringfence scc diff restricted-v2 redis-enterprise-scc-v2";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Operator {
    /// redis-enterprise-scc-v2, for the privileged mode of Redis Enterprise.
    RedisEnterprise,
}

pub(super) fn main(args: &Args) -> Exit {
    let Operator::RedisEnterprise = args.operator;
    let mut out = stdout(false);
    let text = yaml::document(&ringfence_operators::plan::redis_enterprise_scc());
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Clean,
        Err(error) => output_failed(&error),
    }
}
