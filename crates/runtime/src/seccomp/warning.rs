//! What a profile says in vain: read without an error, and without an effect.

use std::fmt;

/// Something in a profile that has no effect on a containerd node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// A field of docker's profile format that the OCI runtime specification lacks; containerd passes it over.
    FieldIgnored {
        /// The field with its path, `syscalls[3].includes`.
        field: String,
    },
    /// The profile has neither a default action nor rules, which turns the filter off.
    Disabled,
    /// A rule names a call that no interface of the machine has.
    UnknownSyscall {
        /// The name as the profile spells it.
        name: String,
    },
    /// A rule has two conditions on one argument. runc then lets each condition match by itself, where one would
    /// expect that all must.
    RepeatedArgument {
        /// The rule's place in `syscalls`.
        rule: usize,
        /// The argument that is repeated.
        index: usize,
    },
    /// An architecture that this machine cannot run.
    ForeignArchitecture {
        /// The name as the profile spells it.
        name: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldIgnored { field } => {
                write!(f, "`{field}` is docker's own and is passed over here, as by containerd")
            }
            Self::Disabled => f.write_str("no defaultAction and no syscalls: the container runs without a filter"),
            Self::UnknownSyscall { name } => write!(f, "no system call is named `{name}` here; the rule has no effect"),
            Self::RepeatedArgument { rule, index } => write!(
                f,
                "`syscalls[{rule}].args` has several conditions on argument {index}: each matches by itself, not all together"
            ),
            Self::ForeignArchitecture { name } => write!(f, "`{name}` is no architecture of this machine"),
        }
    }
}
