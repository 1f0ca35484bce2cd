//! The few files of the page.

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub body: &'static str,
}

/// The file with that path.
pub fn asset(path: &str) -> Option<Asset> {
    let (content_type, body) = match path {
        "/ui/style.css" => ("text/css; charset=utf-8", include_str!("assets/style.css")),
        "/ui/script.js" => ("text/javascript; charset=utf-8", include_str!("assets/script.js")),
        "/ui/icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => return None,
    };
    Some(Asset { content_type, body })
}
