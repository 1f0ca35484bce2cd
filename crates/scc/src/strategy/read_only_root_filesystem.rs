//! `readOnlyRootFilesystem`: every container's root is read-only; those that do not say are made so.

use super::Objections;
use crate::Value;
use crate::pod::ContainerAt;
use crate::violation::{Control, Fault};

pub(crate) fn generate(required: bool, asked: Option<bool>) -> Option<bool> {
    if required { asked.or(Some(true)) } else { asked }
}

pub(crate) fn validate(required: bool, asked: Option<bool>, at: ContainerAt, out: &mut Objections<'_>) {
    if !required {
        return;
    }
    let (value, detail) = match asked {
        None => (Value::Null, "ReadOnlyRootFilesystem may not be nil and must be set to true"),
        Some(false) => (Value::Bool(false), "ReadOnlyRootFilesystem must be set to true"),
        Some(true) => return,
    };
    out.container(Control::ReadOnlyRootFilesystem, at, "readOnlyRootFilesystem", Fault::Invalid(value), detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::ContainerKind;

    fn objections(asked: Option<bool>) -> Vec<String> {
        let mut out = Objections::new("x");
        validate(true, asked, ContainerAt { kind: ContainerKind::Init, index: 1 }, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn makes_a_root_read_only_only_where_required_and_nothing_was_said() {
        assert_eq!(generate(true, None), Some(true));
        assert_eq!(generate(true, Some(false)), Some(false));
        assert_eq!(generate(false, None), None);
    }

    #[test]
    fn refuses_a_writable_root() {
        let path = "provider x: .initContainers[1].readOnlyRootFilesystem: Invalid value";
        assert!(objections(Some(true)).is_empty());
        assert_eq!(objections(Some(false)), [format!("{path}: false: ReadOnlyRootFilesystem must be set to true")]);
        assert_eq!(
            objections(None),
            [format!("{path}: null: ReadOnlyRootFilesystem may not be nil and must be set to true")]
        );
    }
}
