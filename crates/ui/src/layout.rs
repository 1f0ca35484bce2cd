//! What is around every view: the head, the way around, the search, and the foot.

use crate::address::{Address, Page, href};
use crate::{About, Misread};
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

/// The whole page.
pub(crate) fn whole(about: &About, address: &Address, sheet: &Sheet) -> String {
    document(about, Some(address), &sheet.title, &sheet.main)
}

/// A page that says why there is nothing else to see.
pub(crate) fn refusal(about: &About, title: &str, why: &str) -> String {
    let main = html! {
        h1 { (title) }
        p { (why) }
        p { a href="/ui/" { "To the overview" } }
    };
    document(about, None, title, &main)
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

fn document(about: &About, address: Option<&Address>, title: &str, main: &Markup) -> String {
    let page = address.map(|address| &address.page);
    let here = |path: &str| match page {
        Some(Page::Overview) => path.is_empty(),
        Some(Page::Namespaces(_) | Page::Namespace { .. }) => path == "namespaces",
        Some(Page::Workloads(_)) => path == "workloads",
        Some(Page::Pods(_) | Page::Pod { .. }) => path == "pods",
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
                                ("workloads", "What breaks"), ("pods", "Pods")] {
                                li {
                                    a href={ "/ui/" (path) } aria-current=[here(path).then_some("page")] { (words) }
                                }
                            }
                        }
                    }
                    form.search role="search" action="/ui/search" {
                        label.unseen for="search" { "Search for a namespace, workload or pod" }
                        input #search type="search" name="q" value=(searched) maxlength="253" placeholder="Search"
                            autocomplete="off" spellcheck="false";
                        button type="submit" { "Search" }
                    }
                }
                main #main tabindex="-1" { (main) }
                footer {
                    p {
                        (about.source) ". This page only reads. ringfence " (version) "."
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
