//! Reads what admission needs from a running cluster: object by object, a page at a time.
//!
//! [`Cluster::connect`] finds the cluster in a kubeconfig, as kubectl does; [`Cluster::list`] hands over one kind of
//! object, page by page, so that no more than a page is held. The functions block; the runtime that they need is one
//! thread, which is the caller's.
//!
//! For a server, [`client()`] sets up a client on the caller's runtime and [`follow()`] tells of every change of a kind,
//! through expired watches and restarts of the API server.
//!
//! Only `GET` requests are sent, but for [`Cluster::annotate_node`], which patches one annotation of one Node, and for
//! [`apply()`], [`replace()`] and [`delete()`], which change one object as their caller says. Which kinds are asked for,
//! and what of their objects is kept, is the caller's choice; nothing here knows what they mean.

mod annotate;
mod attend;
mod change;
mod clock;
mod connect;
mod error;
mod follow;
mod get;
mod list;
mod resource;
mod shared;
mod token;

pub use annotate::NodeError;
pub use attend::attend;
pub use change::{Apply, ChangeError, Place, apply, delete, read, read_at, replace};
pub use clock::{Clock, jumps};
pub use connect::{Cluster, Target, client, files, is_within};
pub use error::{ConnectError, ListError};
pub use follow::{Event, follow, follow_in, follow_named, name_of};
pub use get::{NotHad, get, get_or_why};
pub use kube::Client;
pub use list::{Listed, PAGE, Page};
pub use resource::Resource;
pub use shared::Shared;
