//! What is around every view: the head, the way around, the search, and the foot.

use crate::address::{Address, Page, href};
use crate::{About, Freshness, Misread};
use maud::{DOCTYPE, Markup, html};
use ringfence_admission::pod_security::{LevelVersion, Owner};
use ringfence_pss::Level;
use serde::Serialize;

/// A view, in both forms.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// What it shows, in a few words.
    pub(crate) title: String,
    /// All that is below the header.
    pub(crate) main: Markup,
    /// The same as JSON.
    pub(crate) json: String,
}

impl Sheet {
    /// A view with the data that it shows.
    pub(crate) fn new(title: impl Into<String>, data: &impl Serialize, main: Markup) -> Self {
        // The data are plain: names, numbers and lists.
        let json = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        Self { title: title.into(), main, json }
    }
}

/// What is around a view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) about: &'a About,
    pub(crate) address: Option<&'a Address>,
    pub(crate) has_constraints: bool,
    pub(crate) freshness: Option<&'a Freshness>,
}

/// The whole page.
pub(crate) fn whole(around: Around<'_>, sheet: &Sheet) -> String {
    document(around, &sheet.title, &sheet.main)
}

/// The data, and how old they are if the cluster is watched.
pub(crate) fn json(sheet: Sheet, freshness: Option<&Freshness>) -> String {
    let freshness = freshness.and_then(|freshness| serde_json::to_string(freshness).ok());
    match (freshness, sheet.json.strip_prefix('{')) {
        // Every view is an object with something in it.
        (Some(freshness), Some(rest)) => format!("{{\"freshness\":{freshness},{rest}"),
        _ => sheet.json,
    }
}

/// A page that says why there is nothing else to see.
pub(crate) fn refusal(about: &About, title: &str, why: &str) -> String {
    let main = html! {
        h1 { (title) }
        p { (why) }
        p { a href="/ui/" { "To the overview" } }
    };
    document(Around { about, address: None, has_constraints: false, freshness: None }, title, &main)
}

impl Misread {
    /// For the person who typed the address.
    pub fn words(&self) -> &str {
        match self {
            Self::NotFound => "Nothing has this address.",
            Self::Moved(to) => to,
            Self::Parameter(what) => what,
        }
    }
}

fn document(around: Around<'_>, title: &str, main: &Markup) -> String {
    let Around { about, address, has_constraints, freshness } = around;
    let page = address.map(|address| &address.page);
    let here = |path: &str| match page {
        Some(Page::Overview) => path.is_empty(),
        Some(Page::Namespaces(_) | Page::Namespace { .. }) => path == "namespaces",
        Some(Page::Workloads(_)) => path == "workloads",
        Some(Page::Pods(_) | Page::Pod { .. }) => path == "pods",
        Some(Page::Constraints(_) | Page::Constraint { .. }) => path == "constraints",
        Some(Page::Search { .. }) | None => false,
    };
    let searched = match page {
        Some(Page::Search { text }) => text.as_str(),
        _ => "",
    };
    let version = about.version;
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · ringfence" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href={ "/ui/style.css?" (version) };
                link rel="icon" href={ "/ui/icon.svg?" (version) } type="image/svg+xml";
                script defer src={ "/ui/script.js?" (version) } {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.name href="/ui/" { "ringfence" }
                    nav aria-label="Main" {
                        ul {
                            @for (path, words) in [("", "Overview"), ("namespaces", "Namespaces"),
                                ("workloads", "What breaks"), ("pods", "Pods"), ("constraints", "Constraints")] {
                                @if has_constraints || path != "constraints" {
                                    li {
                                        a href={ "/ui/" (path) } aria-current=[here(path).then_some("page")] { (words) }
                                    }
                                }
                            }
                        }
                    }
                    form.search role="search" action="/ui/search" {
                        label.unseen for="search" { "Search for a namespace, workload, pod or constraint" }
                        input #search type="search" name="q" value=(searched) maxlength="253" placeholder="Search"
                            autocomplete="off" spellcheck="false";
                        button type="submit" { "Search" }
                    }
                }
                main #main tabindex="-1" data-follow[freshness.is_some()] {
                    div #freshness role="status" {
                        @if let Some(Freshness { heard_seconds_ago, trouble: Some(why) }) = freshness {
                            p.note.bad {
                                strong { "What is shown is " (ago(*heard_seconds_ago)) " old. " }
                                "Since then the API server has not been heard of: " (why) "."
                            }
                        }
                    }
                    (main)
                }
                footer {
                    p {
                        (about.source) ". "
                        @if let Some(freshness) = freshness {
                            "It was last heard of " (ago(freshness.heard_seconds_ago)) " ago. "
                        }
                        "This page only reads. ringfence " (version) "."
                        @if let Some(address) = address {
                            " " a href=(address.as_json) type="application/json" { "This view as JSON" } "."
                        }
                    }
                }
            }
        }
    };
    document.into_string()
}

/// A time, as far as it matters.
fn ago(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    crate::paging::count(usize::try_from(n).unwrap_or(usize::MAX), unit)
}

/// A level, told by its word; the colour only repeats it.
pub(crate) fn level(level: Level) -> Markup {
    html! { span class={ "level " (level) } { (level) } }
}

/// A level with its version, where that is not the latest.
pub(crate) fn level_version(by: LevelVersion) -> Markup {
    html! { (level(by.level)) @if !by.version.is_latest() { " " span.quiet { (by.version) } } }
}

/// What made a pod, as kubectl writes it.
pub(crate) fn workload(owner: Option<&Owner>) -> Markup {
    html! {
        @if let Some(owner) = owner { span.quiet { (owner.kind) "/" } (owner.name) }
        @else { span.quiet { "made by hand" } }
    }
}

/// A link to a namespace.
pub(crate) fn namespace(name: &str) -> Markup {
    html! { a href=(href(&["namespaces", name], &[])) { (name) } }
}

/// A link to a pod.
pub(crate) fn pod(namespace: &str, name: &str) -> Markup {
    html! { a href=(href(&["pods", namespace, name], &[])) { (name) } }
}

/// A table that may be wider than the window, and then scrolls on its own.
pub(crate) fn wide(caption: &str, table: &Markup) -> Markup {
    html! { div.wide role="region" aria-label=(caption) tabindex="0" { table { caption { (caption) } (table) } } }
}

/// A choice from a few.
pub(crate) fn choice(id: &str, label: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            select id=(id) name=(id) {
                @for (value, words) in options {
                    option value=(value) selected[*value == chosen] { (words) }
                }
            }
        }
    }
}

/// A text to look for.
pub(crate) fn text(id: &str, name: &str, label: &str, value: &str) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            input id=(id) name=(name) type="search" value=(value) maxlength="253" autocomplete="off" spellcheck="false";
        }
    }
}
