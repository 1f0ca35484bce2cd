//! Admission as a cluster does it: who may use which security context constraint, what Pod Security says of a request
//! in its namespace, and which pod-security labels OpenShift's synchroniser gives a namespace.
//!
//! Everything here is a function of a request and of a cluster's objects. Nothing knows HTTP, a Kubernetes client or
//! the time.

#![forbid(unsafe_code)]

pub mod admit;
pub mod cluster;
pub mod decode;
pub mod field_error;
pub mod pod_security;
mod quote;
pub mod rbac;
pub mod review;
pub mod simulate;
pub mod sync;
pub mod user;
