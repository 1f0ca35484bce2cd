//! What the process of a container gets: the daemon's and the runtime's rules, in the order in which they refuse.

mod capabilities;
mod container;
mod create;
mod process_args;
mod runtime;
mod user;

pub use container::{Container, Machine, resolve};
pub use create::create;
pub use process_args::{ProcessArgs, process_args};
pub use user::{Groups, User, additional_groups, home, user};
