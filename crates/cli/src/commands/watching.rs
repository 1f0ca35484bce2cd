//! What `sync --watch` and `report --watch` have in common: a lease, limits, a sandbox, a log, and the pod's own cluster.

use std::net::SocketAddr;
use std::time::Duration;

use ringfence_controllers::{Election, RunError, Timing};
use ringfence_live::{Client, Target};
use ringfence_server::{Sandbox, Shut};

use crate::log;

/// How it goes on.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --watch")]
#[group(requires = "watch")]
pub(crate) struct Watching {
    /// The namespace of the lease, and of the record of ranges where there is one; otherwise that of the pod, or of the context.
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,

    /// The name of the lease, by which replicas know each other; otherwise that of the program.
    #[arg(long, value_name = "NAME")]
    lease_name: Option<String>,

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

/// What a program that goes on is given.
pub(crate) struct At {
    pub(crate) client: Client,
    /// The URL of the API server.
    pub(crate) server: String,
    /// The namespace of the lease.
    pub(crate) namespace: String,
    pub(crate) election: Option<Election>,
    pub(crate) listener: Option<std::net::TcpListener>,
    pub(crate) writes_per_second: f64,
    pub(crate) burst: u32,
    pub(crate) resync: Duration,
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

impl Watching {
    /// Shuts the program in and runs it. All that is to be read or had must be so before.
    pub(crate) fn run<F: Future<Output = Result<(), RunError>>>(
        &self,
        target: &Target,
        program: &str,
        begin: impl FnOnce(At) -> F,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let timing = Timing {
            lease_duration: seconds(self.lease_duration),
            renew_deadline: seconds(self.renew_deadline),
            retry_period: seconds(self.retry_period),
        };
        timing.check()?;
        let lease = self.lease_name.as_deref().unwrap_or(program);
        let election =
            (!self.no_leader_election).then(|| Election { name: lease.to_owned(), identity: identity(), timing });
        let listener = self.listen.map(ringfence_server::listen).transpose()?;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let shut = self.shut_in(target)?;
        log::start(self.log_format, self.log_level);
        if let Some(Shut { landlock, seccomp_instructions }) = shut {
            tracing::info!(capabilities = "none", no_new_privs = true, landlock, seccomp_instructions, "shut in");
        } else {
            tracing::warn!("not shut in: --no-sandbox");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let (client, server) = ringfence_live::client(target).await?;
            let namespace = self.lease_namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
            if !is_name(&namespace) || !is_name(lease) {
                return Err(format!("{namespace:?} and {lease:?} cannot be the lease's namespace and name").into());
            }
            let identity = election.as_ref().map(|election| &*election.identity);
            let address = address.map(|address| address.to_string());
            tracing::info!(%server, namespace, identity, address, version = env!("CARGO_PKG_VERSION"), "watching");
            let at = At {
                client,
                server,
                namespace,
                election,
                listener,
                writes_per_second: self.qps,
                burst: self.burst,
                resync: Duration::from_mins(self.resync.into()),
            };
            Ok(begin(at).await?)
        })
    }

    fn shut_in(&self, target: &Target) -> Result<Option<Shut>, Box<dyn std::error::Error>> {
        if self.no_sandbox == Some(Part::All) {
            return Ok(None);
        }
        let read = ringfence_live::files(target)?;
        Ok(Some(Sandbox { read, without_landlock: self.no_sandbox == Some(Part::Landlock) }.enter()?))
    }
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
