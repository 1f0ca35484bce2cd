//! `allowPrivilegedContainer`.

use super::Objections;
use crate::Value;
use crate::pod::ContainerAt;
use crate::violation::{Control, Fault};

pub(crate) fn validate(allowed: bool, asked: Option<bool>, at: ContainerAt, out: &mut Objections<'_>) {
    if !allowed && asked == Some(true) {
        let fault = Fault::Invalid(Value::Bool(true));
        let detail = "Privileged containers are not allowed";
        out.container(Control::AllowPrivilegedContainer, at, "privileged", fault, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::ContainerKind;

    #[test]
    fn refuses_a_privileged_container_unless_allowed() {
        let at = ContainerAt { kind: ContainerKind::Regular, index: 0 };
        let objections = |allowed, asked| {
            let mut out = Objections::new("x");
            validate(allowed, asked, at, &mut out);
            out.list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            objections(false, Some(true)),
            ["provider x: .containers[0].privileged: Invalid value: true: Privileged containers are not allowed"]
        );
        assert!(objections(true, Some(true)).is_empty());
        assert!(objections(false, Some(false)).is_empty());
        assert!(objections(false, None).is_empty());
    }
}
