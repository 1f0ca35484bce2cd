//! The built-in launcher on the real kernel. What is asserted is what the process inside sees.

mod credentials;
mod descriptors;
mod differential;
mod files;
mod harness;
mod hostpath;
mod inside;
mod lifetime;
mod namespaces;
mod refusals;
mod start;
mod unprivileged;
