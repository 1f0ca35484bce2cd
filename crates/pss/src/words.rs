//! The phrases that upstream's messages are put together from.

use crate::{finding::Finding, pod::Container};

pub(crate) fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`: quoted, but never escaped.
pub(crate) fn quoted<S: AsRef<str>>(items: impl IntoIterator<Item = S>, out: &mut String) {
    separated(items, "\"", out);
}

/// `a, b`
pub(crate) fn listed<S: AsRef<str>>(items: impl IntoIterator<Item = S>, out: &mut String) {
    separated(items, "", out);
}

fn separated<S: AsRef<str>>(items: impl IntoIterator<Item = S>, around: &str, out: &mut String) {
    for (i, item) in items.into_iter().enumerate() {
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
pub(crate) fn containers<'a, 'p: 'a, I>(found: I, out: &mut String) -> usize
where
    I: IntoIterator<Item = &'a Finding<'p>, IntoIter: Clone>,
{
    let mut last: Option<Container<'p>> = None;
    let names = found.into_iter().filter_map(Finding::container).filter_map(move |container| {
        let is_next = last.is_none_or(|last| !last.is(&container));
        last = Some(container);
        is_next.then(|| container.name())
    });
    let count = names.clone().count();
    out.push_str(plural("container ", "containers ", count));
    quoted(names, out);
    count
}

/// `pod`, `containers "a", "b"`, or `pod and container "a"`: who set what was found, annotations left out.
pub(crate) fn setters<'a, 'p: 'a, I>(found: I, out: &mut String)
where
    I: IntoIterator<Item = &'a Finding<'p>, IntoIter: Clone>,
{
    let fields = found.into_iter().filter(|finding| finding.key().is_none());
    let by_pod = fields.clone().any(|finding| finding.container().is_none());
    let by_containers = fields.clone().any(|finding| finding.container().is_some());
    if by_pod {
        out.push_str("pod");
    }
    if by_containers {
        out.push_str(if by_pod { " and " } else { "" });
        containers(fields, out);
    }
}

/// `volume "a"` or `volumes "a", "b"`. Returns how many.
pub(crate) fn volumes<'a, 'p: 'a, I>(found: I, out: &mut String) -> usize
where
    I: IntoIterator<Item = &'a Finding<'p>, IntoIter: Clone>,
{
    let names = found.into_iter().map(Finding::item_name);
    let count = names.clone().count();
    out.push_str(plural("volume ", "volumes ", count));
    quoted(names, out);
    count
}
