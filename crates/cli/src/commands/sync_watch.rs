//! `ringfence sync --watch`: the controllers.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringfence_admission::sync::Settings;
use ringfence_controllers::{Election, McsRange, Options, Ranges, Timing, Told, UidRange, Which, run};
use ringfence_live::Target;
use ringfence_server::{Sandbox, Shut};

use super::{chain, complain};
use crate::exit::Exit;
use crate::log;

/// Which controllers, and how they go about it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --watch")]
#[group(requires = "watch")]
pub(crate) struct WatchArgs {
    /// Which controllers run: `sync` labels namespaces as their service accounts need it, `privileged` keeps default,
    /// kube-system and kube-public privileged, `ranges` gives each namespace its users, groups and SELinux level.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "sync,privileged,ranges")]
    controllers: Vec<Name>,

    /// The namespace of the lease and of the record of ranges; otherwise that of the pod, or of the context.
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,

    /// The name of the lease, by which replicas know each other.
    #[arg(long, value_name = "NAME", default_value = "ringfence-controllers")]
    lease_name: String,

    /// Run without a lease. There must be no other replica.
    #[arg(long)]
    no_leader_election: bool,

    /// Seconds after which another replica takes over from one that is not heard of.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    lease_duration: u32,

    /// Seconds after which a leader that cannot renew its lease stops writing.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    renew_deadline: u32,

    /// Seconds between attempts to acquire or renew the lease.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    retry_period: u32,

    /// Writes to the API server in a second, on average.
    #[arg(long, value_name = "NUMBER", default_value_t = 20.0, value_parser = per_second)]
    qps: f64,

    /// Writes at once after a quiet time.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    burst: u32,

    /// Minutes after which every namespace is looked at again, though nothing changed.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    resync: u32,

    /// The users and groups that namespaces get theirs from: FIRST-LAST/BLOCKSIZE.
    #[arg(long, value_name = "RANGE", default_value = "1000000000-1999999999/10000")]
    uid_range: UidRange,

    /// The SELinux levels that namespaces get theirs from: PREFIX/CATEGORIES or PREFIX/CATEGORIES,HIGHEST.
    #[arg(long, value_name = "RANGE", default_value = "s0:/2")]
    mcs_range: McsRange,

    /// How many SELinux levels go to each namespace.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    mcs_labels_per_namespace: u32,

    /// Where to answer /livez, /readyz and /metrics over plain HTTP.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Do not shut the program in. Otherwise it gives up capabilities, new privileges, all files but those it reads
    /// (Landlock) and all system calls but those it makes (seccomp), or does not start. `landlock`: go without that
    /// alone, on kernels that have none.
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    no_sandbox: Option<Part>,

    /// How to log.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    log_format: log::Format,

    /// What to log.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: log::From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    Sync,
    Privileged,
    Ranges,
}

/// What a sandbox may be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// Landlock.
    Landlock,
}

fn per_second(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=10_000.0).contains(&number) { Ok(number) } else { Err("not between 0.01 and 10000".to_owned()) }
}

/// Runs the controllers until they are told to end.
pub(crate) fn main(args: &WatchArgs, target: &Target, labels: Settings, dry_run: bool) -> Exit {
    match watch(args, target, labels, dry_run) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            complain(&chain(&*error));
            Exit::Failure
        }
    }
}

fn watch(args: &WatchArgs, target: &Target, labels: Settings, dry_run: bool) -> Result<(), Box<dyn std::error::Error>> {
    let ranges =
        Ranges { uids: args.uid_range, levels: args.mcs_range.clone(), levels_each: args.mcs_labels_per_namespace };
    let controllers: BTreeSet<Which> = args.controllers.iter().map(|name| (*name).into()).collect();
    let blocks = u64::try_from(ranges.uids.blocks()).unwrap_or(u64::MAX);
    if controllers.contains(&Which::Ranges) && ranges.namespaces() < blocks {
        let (uids, levels, each) = (ranges.uids, &ranges.levels, ranges.levels_each);
        return Err(format!(
            "--uid-range {uids} has {blocks} blocks, but --mcs-range {levels} has levels for only {} namespaces with {each} each: give fewer or larger blocks, more categories, or a smaller --mcs-labels-per-namespace",
            ranges.namespaces()
        )
        .into());
    }
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let timing = Timing {
        lease_duration: seconds(args.lease_duration),
        renew_deadline: seconds(args.renew_deadline),
        retry_period: seconds(args.retry_period),
    };
    timing.check()?;
    // All that is to be read or had must be so before the program is shut in.
    let election =
        (!args.no_leader_election).then(|| Election { name: args.lease_name.clone(), identity: identity(), timing });
    let listener = args.listen.map(ringfence_server::listen).transpose()?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let shut = shut_in(args, target)?;
    log::start(args.log_format, args.log_level);
    if let Some(Shut { landlock, seccomp_instructions }) = shut {
        tracing::info!(capabilities = "none", no_new_privs = true, landlock, seccomp_instructions, "shut in");
    } else {
        tracing::warn!("not shut in: --no-sandbox");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (client, server) = ringfence_live::client(target).await?;
        let namespace = args.lease_namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        if !is_name(&namespace) || !is_name(&args.lease_name) {
            return Err(
                format!("{namespace:?} and {:?} cannot be the lease's namespace and name", args.lease_name).into()
            );
        }
        let identity = election.as_ref().map(|election| &*election.identity);
        let address = address.map(|address| address.to_string());
        tracing::info!(%server, namespace, identity, address, dry_run, version = env!("CARGO_PKG_VERSION"), "watching");
        let options = Options {
            controllers,
            labels,
            ranges,
            namespace,
            election,
            writes_per_second: args.qps,
            burst: args.burst,
            resync: Duration::from_mins(args.resync.into()),
            listener,
            dry_run: dry_run.then(print),
        };
        Ok(run(client, &server, options).await?)
    })
}

/// Prints each write that a dry run would make.
fn print() -> Told {
    Arc::new(|line| {
        let mut out = std::io::stdout().lock();
        // Whoever does not read any more has had enough; the log goes on.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    })
}

fn shut_in(args: &WatchArgs, target: &Target) -> Result<Option<Shut>, Box<dyn std::error::Error>> {
    if args.no_sandbox == Some(Part::All) {
        return Ok(None);
    }
    let read = ringfence_live::files(target)?;
    Ok(Some(Sandbox { read, without_landlock: args.no_sandbox == Some(Part::Landlock) }.enter()?))
}

/// The host's name, which is the pod's, and something that no other start has.
fn identity() -> String {
    let name = rustix::system::uname();
    let unique = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_else(|_| {
        let (process, time) = (std::process::id(), jiff::Timestamp::now().as_nanosecond());
        format!("{process}-{time}")
    });
    format!("{}_{}", name.nodename().to_string_lossy(), unique.trim())
}

/// Whether it can stand in a path.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits) && !text.starts_with(['-', '.'])
}

impl From<Name> for Which {
    fn from(name: Name) -> Self {
        match name {
            Name::Sync => Self::Sync,
            Name::Privileged => Self::Privileged,
            Name::Ranges => Self::Ranges,
        }
    }
}
