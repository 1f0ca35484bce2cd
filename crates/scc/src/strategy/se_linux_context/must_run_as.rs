//! `MustRunAs`: one label. Two levels are one if their categories differ in order alone.

use k8s_openapi::api::core::v1::SELinuxOptions;

use crate::Value;
use crate::pod::ContainerAt;
use crate::strategy::Objections;
use crate::violation::{Control, Fault};

pub(super) fn validate(
    wanted: &SELinuxOptions,
    asked: Option<&SELinuxOptions>,
    at: Option<ContainerAt>,
    out: &mut Objections<'_>,
) {
    let mut object = |field: &str, fault: Fault, detail: String| match at {
        None => out.spec(Control::SeLinuxContext, &format!("securityContext.{field}"), fault, detail),
        Some(at) => out.container(Control::SeLinuxContext, at, field, fault, detail),
    };
    let Some(asked) = asked else {
        object("seLinuxOptions", Fault::Required, String::new());
        return;
    };
    let text = |s: &Option<String>| s.clone().unwrap_or_default();
    let (level, asked_level) = (text(&wanted.level), text(&asked.level));
    if !equal_levels(&level, &asked_level) {
        object("seLinuxOptions.level", Fault::Invalid(Value::String(asked_level)), format!("must be {level}"));
    }
    for (field, wanted, asked) in [
        ("seLinuxOptions.role", &wanted.role, &asked.role),
        ("seLinuxOptions.type", &wanted.type_, &asked.type_),
        ("seLinuxOptions.user", &wanted.user, &asked.user),
    ] {
        let (wanted, asked) = (text(wanted), text(asked));
        if wanted != asked {
            object(field, Fault::Invalid(Value::String(asked)), format!("must be {wanted}"));
        }
    }
}

/// `s0:c6,c0` equals `s0:c0,c6`; anything that is not `SENSITIVITY:CATEGORIES` is compared as text.
fn equal_levels(wanted: &str, asked: &str) -> bool {
    if wanted == asked {
        return true;
    }
    let (Some((sensitivity, categories)), Some((asked_sensitivity, asked_categories))) =
        (wanted.split_once(':'), asked.split_once(':'))
    else {
        return false;
    };
    let sorted = |s: &str| {
        let mut list: Vec<String> = s.split(',').map(String::from).collect();
        list.sort_unstable();
        list
    };
    sensitivity == asked_sensitivity && sorted(categories) == sorted(asked_categories)
}

#[cfg(test)]
mod tests {
    use super::super::SeLinuxContext;
    use super::*;

    fn label(level: &str, type_: &str) -> SELinuxOptions {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_string());
        SELinuxOptions { level: some(level), type_: some(type_), ..Default::default() }
    }

    fn objections(asked: Option<&SELinuxOptions>) -> Vec<String> {
        let mut out = Objections::new("x");
        SeLinuxContext::MustRunAs(label("s0:c6,c0", "")).validate(asked, None, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn gives_its_whole_label() {
        assert_eq!(SeLinuxContext::MustRunAs(label("s0", "t")).generate(), Some(label("s0", "t")));
        assert_eq!(SeLinuxContext::RunAsAny.generate(), None);
    }

    #[test]
    fn the_order_of_categories_does_not_matter() {
        assert!(objections(Some(&label("s0:c0,c6", ""))).is_empty());
        assert!(!objections(Some(&label("s1:c0,c6", ""))).is_empty());
        assert!(!objections(Some(&label("s0:c0", ""))).is_empty());
    }

    #[test]
    fn names_each_part_that_differs() {
        let path = "provider x: .spec.securityContext.seLinuxOptions";
        assert_eq!(
            objections(Some(&label("", "spc_t"))),
            [
                format!("{path}.level: Invalid value: \"\": must be s0:c6,c0"),
                format!("{path}.type: Invalid value: \"spc_t\": must be "),
            ]
        );
        assert_eq!(objections(None), [format!("{path}: Required value")]);
    }
}
