//! From a kubeconfig to a connection.

use crate::{error::ConnectError, token::TokenFile};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use std::{
    env, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::runtime::Runtime;
use tower::util::MapRequestLayer;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may be silent in the middle of an answer.
const READ: Duration = Duration::from_mins(1);

/// Which cluster, as kubectl's flags of the same names say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The kubeconfig; otherwise the files that `KUBECONFIG` names, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context; otherwise the kubeconfig's current one.
    pub context: Option<String>,
}

/// A cluster that can be asked.
pub struct Cluster {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) server: String,
    pub(crate) namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A client for who has a runtime, and the URL of the API server. Without a target's kubeconfig or context, and within
/// a pod, it is the pod's own cluster. Nothing is sent yet, except by a credential plug-in.
pub async fn client(target: &Target) -> Result<(Client, String), ConnectError> {
    let within = target.kubeconfig.is_none() && target.context.is_none() && env::var_os("KUBECONFIG").is_none();
    let mut config = match Config::incluster() {
        Ok(config) if within => config,
        _ => configure(target).await?,
    };
    config.connect_timeout = Some(CONNECT);
    // A watch may be silent for longer than any answer takes; who asks knows how long to wait.
    config.read_timeout = None;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    Ok((build(config, &server)?, server))
}

/// Whether this runs in a pod that may ask its own cluster.
pub fn is_within() -> bool {
    Config::incluster().is_ok()
}

/// The files and directories that a client reads, also later: the pod's own token, or the kubeconfig's files.
pub fn files(target: &Target) -> Result<Vec<PathBuf>, ConnectError> {
    let within = target.kubeconfig.is_none() && target.context.is_none() && env::var_os("KUBECONFIG").is_none();
    if within && Config::incluster().is_ok() {
        return Ok(vec![PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount")]);
    }
    let kubeconfig = read(target)?;
    check_context(&kubeconfig, target.context.as_deref())?;
    let current = target.context.as_ref().or(kubeconfig.current_context.as_ref());
    let context = kubeconfig.contexts.iter().find(|context| Some(&context.name) == current);
    let context = context.and_then(|context| context.context.as_ref());
    let mut files: Vec<PathBuf> = target.kubeconfig.iter().cloned().collect();
    if target.kubeconfig.is_none() {
        let named = env::var_os("KUBECONFIG").filter(|named| !named.is_empty());
        match named {
            Some(named) => files.extend(env::split_paths(&named)),
            None => files.extend(env::home_dir().map(|home| home.join(".kube/config"))),
        }
    }
    let user = context.and_then(|context| context.user.as_ref());
    for auth in
        kubeconfig.auth_infos.iter().filter(|auth| Some(&auth.name) == user).filter_map(|a| a.auth_info.as_ref())
    {
        if auth.exec.is_some() {
            return Err(ConnectError::Plugin);
        }
        files.extend([&auth.client_certificate, &auth.client_key].into_iter().flatten().map(PathBuf::from));
        // It is exchanged for another file.
        let parent = |file| Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
        files.extend(auth.token_file.as_ref().map(|file| parent(file).unwrap_or(Path::new(".")).to_owned()));
    }
    let cluster = context.map(|context| &context.cluster);
    for cluster in
        kubeconfig.clusters.iter().filter(|named| Some(&named.name) == cluster).filter_map(|c| c.cluster.as_ref())
    {
        files.extend(cluster.certificate_authority.as_ref().map(PathBuf::from));
    }
    Ok(files)
}

async fn configure(target: &Target) -> Result<Config, ConnectError> {
    let kubeconfig = read(target)?;
    check_context(&kubeconfig, target.context.as_deref())?;
    let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| ConnectError::Kubeconfig { message: error.to_string() })
}

impl Cluster {
    /// Reads the kubeconfig and sets up the client. Nothing is sent yet, except by a credential plug-in that the
    /// kubeconfig may name.
    pub fn connect(target: &Target) -> Result<Self, ConnectError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ConnectError::Runtime)?;
        let mut config = runtime.block_on(configure(target))?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // The client's buffer is a task of the runtime.
        let client = {
            let _entered = runtime.enter();
            build(config, &server)?
        };
        Ok(Self { runtime, client, server, namespace })
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of the context, in which kubectl looks if none is named: `default` if the context names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// The client of a configuration. Of a token in a file we take care.
fn build(mut config: Config, server: &str) -> Result<Client, ConnectError> {
    let plug_in = plug_in(&config);
    let token = token_file(&mut config);
    let token =
        token.map(|path| TokenFile::new(&path).map_err(|source| ConnectError::Token { path, source })).transpose()?;
    let failed = |error| ConnectError::client(server, &plug_in, &error);
    let builder = ClientBuilder::try_from(config).map_err(failed)?;
    Ok(match token {
        Some(token) => builder.with_layer(&MapRequestLayer::new(move |request| token.sign(request))).build(),
        None => builder.build(),
    })
}

/// Takes the file of a token, if that is what counts: kube goes by a provider, a password, a token, its file and a
/// program, in this order.
fn token_file(config: &mut Config) -> Option<PathBuf> {
    let auth = &mut config.auth_info;
    if auth.auth_provider.is_some() || auth.token.is_some() || (auth.username.is_some() && auth.password.is_some()) {
        return None;
    }
    let path = auth.token_file.take()?;
    auth.exec = None;
    Some(path.into())
}

/// The program that gives the credentials, if one does.
fn plug_in(config: &Config) -> String {
    config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default()
}

fn read(target: &Target) -> Result<Kubeconfig, ConnectError> {
    let result = match &target.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    result.map_err(|error| match error {
        KubeconfigError::FindPath => ConnectError::NoHome,
        KubeconfigError::ReadConfig(source, path) => {
            let asked_for = target.kubeconfig.is_some() || env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty());
            if source.kind() == io::ErrorKind::NotFound && !asked_for {
                ConnectError::NoKubeconfig { path }
            } else {
                ConnectError::Read { path, source }
            }
        }
        other => ConnectError::Kubeconfig { message: other.to_string() },
    })
}

/// Says which contexts there are, where the client would say only that one is not.
fn check_context(kubeconfig: &Kubeconfig, asked: Option<&str>) -> Result<(), ConnectError> {
    let known = || kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let name = asked.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty());
    let Some(name) = name else { return Err(ConnectError::NoCurrentContext { known: known() }) };
    if kubeconfig.contexts.iter().any(|context| context.name == name) {
        Ok(())
    } else {
        Err(ConnectError::NoContext { name: name.to_owned(), known: known() })
    }
}
