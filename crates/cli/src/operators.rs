//! The operators of a run: `--operator` and `--operator-profile`.

use std::path::{Path, PathBuf};

use ringfence_operators::profile::Profile;
use ringfence_operators::{OperatorSetting, Operators, Platform};

use crate::commands::{chain, complain};
use crate::input::Inputs;

/// What is said of the operators.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OperatorArgs {
    /// An operator's version and settings, such as eck@2.14.0,set-default-security-context=false; may be repeated.
    ///
    /// Custom resources are judged by the pods that their operator makes of them. Known are eck, redis-enterprise and
    /// olm, and those of --operator-profile; `ringfence operator profile list` says which versions and settings they
    /// have. Every operator has the setting platform, kubernetes or openshift.
    #[arg(long = "operator", value_name = "NAME[@VERSION][,SETTING=VALUE]…")]
    settings: Vec<OperatorSetting>,

    /// A profile of an operator, or a directory of such; may be repeated. One that is called as a built-in profile is
    /// takes its place.
    #[arg(long = "operator-profile", value_name = "FILE|DIR")]
    profiles: Vec<PathBuf>,
}

impl OperatorArgs {
    /// The operators; `None` if a profile or a setting is no good, which has been said.
    pub(crate) fn load(&self, platform: Platform) -> Option<Operators> {
        let mut operators = Operators::new(platform);
        if !self.profiles.is_empty() {
            read(&self.profiles)?.into_iter().for_each(|(_, profile)| operators.add(profile));
        }
        for setting in &self.settings {
            if let Err(error) = operators.set(setting) {
                complain(&format!("--operator {setting}: {}", chain(&error)));
                return None;
            }
        }
        Some(operators)
    }
}

/// The profiles of these files and directories, each with its file. What is wrong with one is said, and all of it.
pub(crate) fn read(paths: &[PathBuf]) -> Option<Vec<(PathBuf, Profile)>> {
    let (entries, errors) = Inputs::of(paths.to_vec()).entries();
    for error in &errors {
        complain(&chain(error));
    }
    let (mut profiles, mut good) = (vec![], errors.is_empty());
    for entry in entries {
        let name = entry.name();
        match entry.read() {
            Err(error) => {
                complain(&chain(&error));
                good = false;
            }
            Ok(bytes) => match Profile::read(&bytes) {
                Ok(found) => profiles.extend(found.into_iter().map(|profile| (Path::new(&name).to_owned(), profile))),
                Err(wrong) => {
                    for error in wrong {
                        complain(&format!(
                            "{name}:{}:{}: {}: {}",
                            error.line, error.column, error.field, error.message
                        ));
                    }
                    good = false;
                }
            },
        }
    }
    good.then_some(profiles)
}
