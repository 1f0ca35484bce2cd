//! Images from registries (distribution-spec): the client, credentials, mirrors.
//!
//! ```text
//! name ─ hosts ─▶ endpoints ─ http ─▶ answers ─ pull ─▶ verified blobs in the store
//!        mirrors             auth, TLS, retries
//! ```
//!
//! A registry, and whoever can put an image into it, is a stranger. Whatever it sends is bounded before it is read and held
//! against its digest before it has a name. Whom this machine calls is decided here: redirects and token servers get no
//! secret that is not theirs, are never asked in the clear when the registry was not, and are no address of this machine.

mod auth;
mod certificates;
mod challenge;
mod client;
mod credentials;
mod error;
mod helper;
mod hosts;
mod http_client;
mod pull;
mod reference;
mod retry;
mod url;

pub use client::{Client, Options};
pub use error::RegistryError;
pub use pull::{Pulled, Watch};
