//! Where a field belongs that its type does not have.

use super::{Shape, Type, TypeId};
use crate::path::Path;

/// A struct around a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) of: TypeId,
    /// How many segments of the path lead to it.
    pub(crate) depth: usize,
}

/// The place where a field has an effect.
pub(crate) struct Place {
    path: String,
    /// The type that the field belongs to.
    owner: &'static str,
}

impl Place {
    pub(crate) fn hint(&self) -> String {
        format!("move it to {}", self.path)
    }

    pub(crate) fn message(&self, field: &str) -> String {
        let owner = match self.owner {
            "PodSpec" => "pod's spec",
            "PodSecurityContext" => "pod's securityContext",
            "SecurityContext" => "container's securityContext",
            "Capabilities" => "container's capabilities",
            "ObjectMeta" => "object's metadata",
            other => other,
        };
        format!("{field} has no effect here: it belongs to the {owner}")
    }
}

/// Finds the one place near a field that has a field of that name. Security contexts come first: theirs are the
/// fields that are misplaced most, and most harmfully.
pub(crate) fn right_place(field: &str, levels: &[Level], path: &Path<'_>) -> Option<Place> {
    security_context(field, levels, path).or_else(|| elsewhere(field, levels, path))
}

fn security_context(field: &str, levels: &[Level], path: &Path<'_>) -> Option<Place> {
    let innermost = levels.last()?.of.get();
    if !matches!(
        innermost.name,
        "PodSpec" | "PodSecurityContext" | "Container" | "EphemeralContainer" | "SecurityContext"
    ) {
        return None;
    }
    let pod = levels.iter().rfind(|l| l.of.get().name == "PodSpec")?;
    let pod_context = child(pod.of.get(), "securityContext")?;
    let container = child(pod.of.get(), "containers")?;
    let container_context = child(container, "securityContext")?;
    let (for_pod, for_container) = (pod_context.field(field).is_some(), container_context.field(field).is_some());
    let pod_path = path.prefix(pod.depth);
    let in_pod = || Place { path: below(&pod_path, &format!("securityContext.{field}")), owner: "PodSecurityContext" };
    let in_container =
        |at: &str| Place { path: below(at, &format!("securityContext.{field}")), owner: "SecurityContext" };
    let all = below(&pod_path, "containers[*]");
    match innermost.name {
        "PodSpec" if for_pod => Some(in_pod()),
        "PodSpec" | "PodSecurityContext" if for_container => Some(in_container(&all)),
        "Container" | "EphemeralContainer" if for_container => {
            levels.last().map(|l| in_container(&path.prefix(l.depth)))
        }
        "Container" | "EphemeralContainer" | "SecurityContext" if for_pod => Some(in_pod()),
        _ => None,
    }
}

/// Looks into the objects below the misplaced field's own, then into the ones around it.
fn elsewhere(field: &str, levels: &[Level], path: &Path<'_>) -> Option<Place> {
    let innermost = levels.last()?;
    let at = path.prefix(innermost.depth);
    if let Some((steps, owner)) = descend(innermost.of.get(), field) {
        return Some(Place { path: below(&at, &steps), owner });
    }
    let (_, around) = levels.split_last()?;
    around.iter().rev().find_map(|level| {
        let of = level.of.get();
        // Names such as `name` and `type` are everywhere; only what the pod or the object itself has is worth a move.
        let worth = of.name == "PodSpec" || (level.depth == 0 && field != "status");
        (worth && of.field(field).is_some())
            .then(|| Place { path: below(&path.prefix(level.depth), field), owner: of.name })
    })
}

/// The one object at most two levels down that has the field. If several do, there is no telling.
fn descend(of: &'static Type, field: &str) -> Option<(String, &'static str)> {
    let objects = |of: &'static Type| {
        of.fields.iter().filter(|(name, _)| *name != "status").filter_map(|(name, shape)| match shape {
            Shape::Object(id) => Some((*name, TypeId(*id).get())),
            _ => None,
        })
    };
    let mut found = objects(of).filter(|(_, t)| t.field(field).is_some());
    if let Some((name, t)) = found.next() {
        return found.next().is_none().then(|| (format!("{name}.{field}"), t.name));
    }
    let mut found = objects(of).flat_map(|(outer, t)| objects(t).map(move |(inner, t)| (outer, inner, t)));
    let (outer, inner, t) = found.find(|(_, _, t)| t.field(field).is_some())?;
    let unique = !found.any(|(_, _, t)| t.field(field).is_some());
    unique.then(|| (format!("{outer}.{inner}.{field}"), t.name))
}

fn child(of: &'static Type, field: &str) -> Option<&'static Type> {
    match of.field(field)? {
        Shape::Object(id) | Shape::List(&Shape::Object(id)) => Some(TypeId(id).get()),
        _ => None,
    }
}

fn below(at: &str, rest: &str) -> String {
    crate::workload::join(at, rest)
}
