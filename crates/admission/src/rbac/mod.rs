//! Who may `use` a security context constraint, by role-based access control, and through which chain of objects.
//!
//! Roles are reduced to the rules that can matter (verb `use` on `securitycontextconstraints`), bindings to those of
//! such roles, and these are indexed by subject, so a question costs a few look-ups however many bindings there are.

mod aggregate;
mod grant;
mod index;
mod rule;
mod who;

pub use grant::{BindingRef, Grant, RoleKind, Subject};
pub use index::{Bindings, Index, Problem};
pub use rule::Rule;
pub use who::{grants, who_may_use};

/// The API group of roles and bindings.
pub const API_GROUP: &str = "rbac.authorization.k8s.io";
