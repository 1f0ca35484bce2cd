//! Role-based access control, as the constraints' plugin asks it.

use crate::{
    rbac::{Bindings, Index},
    user::User,
};
use ringfence_scc::{Access, Grant, Subject};
use std::cell::RefCell;

/// Answers for the few subjects that one pod brings up, each of whose bindings are looked up once.
pub(crate) struct Rbac<'c> {
    index: &'c Index,
    namespace: &'c str,
    known: RefCell<Vec<(Subject, Bindings<'c>)>>,
}

impl<'c> Rbac<'c> {
    pub(crate) fn new(index: &'c Index, namespace: &'c str) -> Self {
        Self { index, namespace, known: RefCell::new(Vec::with_capacity(2)) }
    }
}

impl Access for Rbac<'_> {
    fn may_use(&self, subject: &Subject, scc: &str, namespace: &str) -> Option<Grant> {
        debug_assert_eq!(namespace, self.namespace, "a pod is in one namespace");
        let mut known = self.known.borrow_mut();
        let at = known.iter().position(|(other, _)| other == subject).unwrap_or_else(|| {
            known.push((subject.clone(), self.index.bindings(&user(subject), self.namespace)));
            known.len() - 1
        });
        known.get(at)?.1.first_rule(scc).map(Grant::Rule)
    }
}

pub(crate) fn user(subject: &Subject) -> User {
    User { name: subject.name.clone(), groups: subject.groups.clone() }
}

pub(crate) fn subject(user: &User) -> Subject {
    Subject { name: user.name.clone(), groups: user.groups.clone() }
}
