//! The architectures a filter can meet on a machine, and how the kernel tells them apart.

use oci_spec::runtime::Arch;

/// `AUDIT_ARCH_X86_64`, also reported for x32 calls.
pub const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
pub const AUDIT_ARCH_I386: u32 = 0x4000_0003;
/// `AUDIT_ARCH_AARCH64`.
pub const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
/// `AUDIT_ARCH_ARM`.
pub const AUDIT_ARCH_ARM: u32 = 0x4000_0028;
/// Bit 30 of a call's number marks an x32 call on x86_64.
pub const X32_BIT: u32 = 0x4000_0000;

/// The machine that a program is compiled for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// A 64-bit x86 kernel, which may also run i386 and x32 programs.
    X86_64,
    /// A 64-bit ARM kernel, which may also run 32-bit ARM programs.
    Aarch64,
}

impl Target {
    /// The machine this code was built for, if a filter can be compiled for it.
    pub const fn native() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// What a program of the machine's own width uses; every filter covers it, listed or not.
    pub(super) const fn own_abi(self) -> Abi {
        match self {
            Self::X86_64 => Abi::X86_64,
            Self::Aarch64 => Abi::Aarch64,
        }
    }

    /// Every interface that this machine's kernel may offer, its own first.
    pub const fn abis(self) -> &'static [Abi] {
        match self {
            Self::X86_64 => &[Abi::X86_64, Abi::X86, Abi::X32],
            Self::Aarch64 => &[Abi::Aarch64, Abi::Arm],
        }
    }
}

/// A system call interface: one numbering of the calls.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Abi {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86, called i386 elsewhere.
    X86,
    /// 32-bit pointers on 64-bit x86, marked by [`X32_BIT`].
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
}

impl Abi {
    /// The interface that a profile's architecture stands for; none for a machine that no filter is compiled for.
    pub(super) const fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::ScmpArchX86_64 => Some(Self::X86_64),
            Arch::ScmpArchX86 => Some(Self::X86),
            Arch::ScmpArchX32 => Some(Self::X32),
            Arch::ScmpArchAarch64 => Some(Self::Aarch64),
            Arch::ScmpArchArm => Some(Self::Arm),
            _ => None,
        }
    }

    /// What the kernel reports in `seccomp_data.arch`.
    pub const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => AUDIT_ARCH_X86_64,
            Self::X86 => AUDIT_ARCH_I386,
            Self::Aarch64 => AUDIT_ARCH_AARCH64,
            Self::Arm => AUDIT_ARCH_ARM,
        }
    }

    /// Whether arguments are compared by their low 32 bits alone, as libseccomp does for 32-bit interfaces.
    pub(super) const fn narrow(self) -> bool {
        matches!(self, Self::X86 | Self::X32 | Self::Arm)
    }

    /// The bits that this interface sets in every call's number.
    pub(super) const fn marker(self) -> u32 {
        if matches!(self, Self::X32) { X32_BIT } else { 0 }
    }
}
