//! The only place with unsafe code: kernel calls that rustix does not wrap.

pub mod seccomp;
