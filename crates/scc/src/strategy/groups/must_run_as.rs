//! `MustRunAs`: every group in one of the ranges, and at least one group.

use super::GroupField;
use crate::Value;
use crate::constraints::IDRange;
use crate::strategy::Objections;
use crate::violation::Fault;

pub(super) fn validate(ranges: &[IDRange], groups: Option<&[i64]>, field: GroupField, out: &mut Objections<'_>) {
    let path = match field {
        GroupField::FsGroup => "securityContext.fsGroup",
        GroupField::SupplementalGroups => "securityContext.supplementalGroups",
    };
    let value = || Fault::Invalid(groups.map_or(Value::Null, |g| Value::Ints(g.to_vec())));
    let list = groups.unwrap_or_default();
    if list.is_empty() && !ranges.is_empty() {
        out.spec(field.control(), path, value(), "unable to validate empty groups against required ranges");
    }
    for &group in list.iter().filter(|&&g| !ranges.iter().any(|r| r.contains(g))) {
        out.spec(field.control(), path, value(), format!("{group} is not an allowed group"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Groups;
    use super::*;

    fn objections(groups: Option<&[i64]>) -> Vec<String> {
        let mut out = Objections::new("x");
        strategy().validate(groups, GroupField::SupplementalGroups, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    fn strategy() -> Groups {
        Groups::MustRunAs(vec![IDRange { min: 1, max: 3 }, IDRange { min: 9, max: 9 }])
    }

    #[test]
    fn gives_the_first_group_of_the_first_range() {
        assert_eq!(strategy().generate(), Some(1));
    }

    #[test]
    fn takes_groups_of_any_range() {
        assert!(objections(Some(&[3, 9, 1])).is_empty());
    }

    #[test]
    fn names_each_group_outside_the_ranges() {
        let path = "provider x: .spec.securityContext.supplementalGroups: Invalid value: [4,1,8]";
        assert_eq!(
            objections(Some(&[4, 1, 8])),
            [format!("{path}: 4 is not an allowed group"), format!("{path}: 8 is not an allowed group")]
        );
    }

    #[test]
    fn wants_at_least_one_group() {
        let path = "provider x: .spec.securityContext.supplementalGroups: Invalid value";
        let detail = "unable to validate empty groups against required ranges";
        assert_eq!(objections(Some(&[])), [format!("{path}: []: {detail}")]);
        assert_eq!(objections(None), [format!("{path}: null: {detail}")]);
    }
}
