//! The pod itself, which may be kept as text.

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use std::{cell::OnceCell, ops::Deref, sync::Arc};

/// A pod, or the JSON that it is kept as, which is read when somebody looks at the pod: the API's structures take
/// kilobytes where the text takes a few hundred bytes.
#[derive(Debug)]
pub struct Body<'p>(Form<'p>);

#[derive(Debug)]
enum Form<'p> {
    Whole(&'p Pod),
    Kept(Arc<str>, OnceCell<Box<Pod>>),
}

impl<'p> Body<'p> {
    /// A pod that is at hand.
    pub fn whole(pod: &'p Pod) -> Self {
        Self(Form::Whole(pod))
    }

    /// A pod that is kept as its JSON, which must be readable.
    pub fn kept(json: Arc<str>) -> Self {
        Self(Form::Kept(json, OnceCell::new()))
    }

    /// Lets go of what was read.
    pub fn forget(&mut self) {
        if let Form::Kept(_, read) = &mut self.0 {
            read.take();
        }
    }
}

impl Deref for Body<'_> {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        match &self.0 {
            Form::Whole(pod) => pod,
            Form::Kept(json, read) => read.get_or_init(|| serde_json::from_str(json).unwrap_or_else(|_| unreadable())),
        }
    }
}

/// Whoever keeps a pod has read it first. If one could not be read all the same, it would satisfy no level.
fn unreadable() -> Box<Pod> {
    let spec = PodSpec { host_pid: Some(true), host_network: Some(true), ..PodSpec::default() };
    Box::new(Pod { spec: Some(spec), ..Pod::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod_security::{LevelVersion, PodSecurity};
    use ringfence_pss::{Level, Version};

    #[test]
    fn what_is_kept_is_read_once_and_again_after_it_was_let_go() {
        let mut body = Body::kept(r#"{"metadata": {"name": "p"}}"#.into());
        assert!(std::ptr::eq(&raw const *body, &raw const *body));
        assert_eq!(body.metadata.name.as_deref(), Some("p"));
        body.forget();
        assert_eq!(body.metadata.name.as_deref(), Some("p"));
        let pod = Pod::default();
        let mut whole = Body::whole(&pod);
        whole.forget();
        assert!(std::ptr::eq(&raw const *whole, &raw const pod));
    }

    #[test]
    fn what_cannot_be_read_satisfies_nothing() {
        let body = Body::kept("{".into());
        for level in [Level::Baseline, Level::Restricted] {
            let by = LevelVersion { level, version: Version::LATEST };
            let verdict = PodSecurity::default().judge(by, &body.metadata, body.spec.as_ref().unwrap());
            assert!(!verdict.allowed());
        }
    }
}
