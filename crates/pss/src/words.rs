//! The phrases that upstream's messages are put together from.

use crate::{finding::Finding, pod::Container};

pub(crate) fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`: quoted, but never escaped.
pub(crate) fn quoted<S: AsRef<str>>(items: &[S], out: &mut String) {
    separated(items, "\"", out);
}

/// `a, b`
pub(crate) fn listed<S: AsRef<str>>(items: &[S], out: &mut String) {
    separated(items, "", out);
}

fn separated<S: AsRef<str>>(items: &[S], around: &str, out: &mut String) {
    for (i, item) in items.iter().enumerate() {
        for part in [if i == 0 { "" } else { ", " }, around, item.as_ref(), around] {
            out.push_str(part);
        }
    }
}

/// A set, sorted by bytes.
pub(crate) fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// The set of the texts found.
pub(crate) fn values<'a, 'p: 'a>(found: impl IntoIterator<Item = &'a Finding<'p>>) -> Vec<&'p str> {
    set(found.into_iter().map(Finding::text))
}

/// `container "a"` or `containers "a", "b"`, each container of the findings once and in their order. Returns how many.
pub(crate) fn containers<'a, 'p: 'a>(found: impl IntoIterator<Item = &'a Finding<'p>>, out: &mut String) -> usize {
    let mut row: Vec<_> = found.into_iter().filter_map(Finding::container).collect();
    row.dedup_by(|a, b| a.is(b));
    let names: Vec<_> = row.iter().map(Container::name).collect();
    out.push_str(plural("container ", "containers ", names.len()));
    quoted(&names, out);
    names.len()
}

/// `pod`, `containers "a", "b"`, or `pod and container "a"`: who set what was found, annotations left out.
pub(crate) fn setters(found: &[Finding<'_>], out: &mut String) {
    let fields = || found.iter().filter(|finding| finding.key().is_none());
    let by_pod = fields().any(|finding| finding.container().is_none());
    let by_containers = fields().any(|finding| finding.container().is_some());
    if by_pod {
        out.push_str("pod");
    }
    if by_containers {
        out.push_str(if by_pod { " and " } else { "" });
        containers(fields(), out);
    }
}

/// `volume "a"` or `volumes "a", "b"`. Returns how many.
pub(crate) fn volumes(found: &[Finding<'_>], out: &mut String) -> usize {
    let names: Vec<_> = found.iter().map(Finding::item_name).collect();
    out.push_str(plural("volume ", "volumes ", names.len()));
    quoted(&names, out);
    names.len()
}
