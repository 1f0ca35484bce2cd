//! The API's types, and what a strict decoder objects to.

mod check;
mod duplicate;
mod misplaced;
mod suggest;
mod types;

use crate::workload::WorkloadKind;

pub(crate) use check::{check, first_type_problem};
pub(crate) use duplicate::duplicates;
pub(crate) use suggest::nearest;

/// What Go decodes a field into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Bool,
    Str,
    I32,
    I64,
    IntOrString,
    Quantity,
    Time,
    /// Anything goes, unread.
    Any,
    /// A struct, by its index.
    Object(u16),
    List(&'static Shape),
    Map(&'static Shape),
}

/// A struct of the API.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// Sorted by name.
    pub(crate) fields: &'static [(&'static str, Shape)],
}

impl Type {
    pub(crate) fn field(&self, name: &str) -> Option<Shape> {
        let at = self.fields.binary_search_by_key(&name, |(field, _)| field).ok()?;
        self.fields.get(at).map(|(_, shape)| *shape)
    }
}

/// The index of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeId(u16);

impl TypeId {
    pub(crate) fn of(kind: WorkloadKind) -> Self {
        let at = WorkloadKind::ALL.iter().position(|k| *k == kind).unwrap_or_default();
        TypeId(types::ROOTS.get(at).copied().unwrap_or_default())
    }

    /// The type of pod templates.
    pub(crate) fn pod_template() -> Self {
        match Self::of(WorkloadKind::PodTemplate).get().field("template") {
            Some(Shape::Object(id)) => TypeId(id),
            _ => Self::of(WorkloadKind::PodTemplate),
        }
    }

    pub(crate) fn get(self) -> &'static Type {
        const NONE: Type = Type { name: "", fields: &[] };
        types::TYPES.get(usize::from(self.0)).unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_sorted_and_references_lead_somewhere() {
        fn leads_somewhere(shape: Shape) -> bool {
            match shape {
                Shape::Object(i) => usize::from(i) < types::TYPES.len(),
                Shape::List(inner) | Shape::Map(inner) => leads_somewhere(*inner),
                _ => true,
            }
        }
        for t in types::TYPES {
            assert!(t.fields.is_sorted_by_key(|(name, _)| name), "{}", t.name);
            assert!(t.fields.iter().all(|(_, shape)| leads_somewhere(*shape)), "{}", t.name);
        }
    }

    #[test]
    fn each_kind_has_its_type() {
        for kind in WorkloadKind::ALL {
            assert_eq!(TypeId::of(kind).get().name, kind.as_str());
        }
    }
}
