//! `process.args` and `process.env`: what is executed. A name without a slash is looked for along the container's
//! PATH, as runc does.

use std::ffi::CString;
use std::fmt;
use std::path::Path;

use oci_spec::runtime::Process;

use super::path::{c_bytes, c_path};
use super::{LAUNCHER, unsupported};
use crate::engine::StartError;
use crate::sys::exec::StringList;

/// The command in the form that execve(2) takes.
#[derive(Debug)]
pub(crate) struct Command {
    /// `args[0]` as given.
    pub(crate) name: String,
    /// The files to try in order.
    pub(crate) files: Vec<CString>,
    pub(crate) args: StringList,
    pub(crate) env: StringList,
}

impl Command {
    pub(super) fn new(process: &Process) -> Result<Self, StartError> {
        let args = process.args().as_deref().unwrap_or_default();
        let Some(name) = args.first().filter(|name| !name.is_empty()) else {
            return Err(unsupported("an empty command (process.args)", LAUNCHER));
        };
        let env = process.env().as_deref().unwrap_or_default();
        let path = env.iter().rev().find_map(|variable| variable.strip_prefix("PATH="));
        let files = if name.contains('/') {
            vec![c_bytes(name.as_bytes())?]
        } else {
            path.unwrap_or_default()
                .split(':')
                .filter(|directory| !directory.is_empty())
                .map(|directory| c_path(&Path::new(directory).join(name)))
                .collect::<Result<_, _>>()?
        };
        let list = |strings: &[String]| {
            strings.iter().map(|string| c_bytes(string.as_bytes())).collect::<Result<_, _>>().map(StringList::new)
        };
        Ok(Self { name: name.clone(), files, args: list(args)?, env: list(env)? })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
