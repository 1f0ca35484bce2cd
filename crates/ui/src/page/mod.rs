//! One file for each view: what it shows, found in the cluster, and how.

pub(crate) mod constraint;
pub(crate) mod constraints;
pub(crate) mod namespace;
pub(crate) mod namespaces;
pub(crate) mod overview;
pub(crate) mod pod;
pub(crate) mod pods;
mod scc;
pub(crate) mod search;
pub(crate) mod workloads;

/// A text that is looked for in a million names, whatever the case.
#[derive(Debug)]
struct Sought {
    lower: String,
}

impl Sought {
    fn new(text: &str) -> Self {
        Self { lower: text.to_lowercase() }
    }

    fn is_in(&self, text: &str) -> bool {
        let is_lower = || text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        // Names are in lower case, nearly always.
        self.lower.is_empty()
            || text.contains(&self.lower)
            || (!is_lower() && text.to_lowercase().contains(&self.lower))
    }
}

#[cfg(test)]
mod tests {
    use super::Sought;

    #[test]
    fn texts_are_found_whatever_the_case() {
        for (text, sought) in [("web-1", ""), ("web-1", "EB"), ("Web", "web"), ("ÄB", "äb"), ("äb", "ÄB"), ("a", "a")]
        {
            assert!(Sought::new(sought).is_in(text), "{text} {sought}");
        }
        assert!(!Sought::new("x").is_in("web-1") && !Sought::new("web-1").is_in("eb"));
    }
}
