//! Whose rules are applied.

/// A docker whose rules differ from another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 20.10, as Debian 12 has it: 38 capabilities are known, whether the machine has them or not.
    #[default]
    V20_10,
    /// 29: every capability that the kernel knows; those that the daemon lacks are refused by name and are not in `ALL`.
    V29,
}
