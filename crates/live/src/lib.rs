//! Reads what admission needs from a running cluster: object by object, a page at a time, changing nothing there.
//!
//! [`Cluster::connect`] finds the cluster in a kubeconfig, as kubectl does; [`Cluster::list`] hands over one kind of
//! object, page by page, so that no more than a page is held. The functions block; the runtime that they need is one
//! thread, which is the caller's.
//!
//! Only `GET` requests are sent. What may hold secrets and decides nothing is taken out of every object before anybody
//! else sees it (see [`scrub`](fn@scrub)). Which kinds are asked for is the caller's choice; nothing here knows what
//! they mean.

mod connect;
mod error;
mod list;
mod resource;
mod scrub;

pub use connect::{Cluster, Target};
pub use error::{ConnectError, ListError};
pub use list::{Listed, PAGE, Page};
pub use resource::Resource;
pub use scrub::scrub;
