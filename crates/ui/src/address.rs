//! Addresses: what a path and a query ask for, and the path and query that ask for something.

use ringfence_pss::Level;
use std::fmt::Write as _;

/// The longest text that is searched for: no name is longer.
const LONGEST: usize = 253;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) page: Page,
    pub(crate) is_json: bool,
    /// The same as JSON, for who looks at the HTML.
    pub(crate) as_json: String,
}

/// Why nothing is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misread {
    /// Nothing has that path.
    NotFound,
    /// It has moved there.
    Moved(&'static str),
    /// A parameter means nothing.
    Parameter(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Overview,
    Namespaces(NamespacesForm),
    Namespace { name: String, level: Level },
    Workloads(WorkloadsForm),
    Pods(PodsForm),
    Pod { namespace: String, name: String },
    Constraints(ConstraintsForm),
    Constraint { name: String, page: usize },
    Search { text: String },
}

/// Which namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamespacesForm {
    pub(crate) text: String,
    /// What is enforced.
    pub(crate) level: Option<Level>,
    pub(crate) satisfies: Option<Satisfies>,
    pub(crate) state: Option<State>,
    /// Beginning with 1.
    pub(crate) page: usize,
}

/// What the pods of a namespace satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Satisfies {
    Level(Level),
    NoPods,
}

/// Namespaces that somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// They could enforce more than they do.
    Raise,
    /// They have pods that what they enforce would refuse.
    Violating,
    /// Their labels have mistakes.
    Mislabelled,
    /// The configuration exempts them.
    Exempt,
}

/// Which workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkloadsForm {
    pub(crate) breaks: Level,
    pub(crate) text: String,
    pub(crate) namespace: String,
    pub(crate) page: usize,
}

/// Which pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PodsForm {
    pub(crate) text: String,
    pub(crate) namespace: String,
    /// The constraint that was recorded; `-` if none was.
    pub(crate) scc: String,
    pub(crate) now: Option<NowForm>,
    /// Those after this one, as namespace and name.
    pub(crate) after: Option<(String, String)>,
}

/// Pods that would not be given the constraint again that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NowForm {
    /// They would be given another one.
    Other,
    /// No constraint would take them.
    Refused,
}

/// Which constraints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConstraintsForm {
    pub(crate) text: String,
    /// Beginning with 1.
    pub(crate) page: usize,
}

impl NowForm {
    pub(crate) const ALL: [Self; 2] = [Self::Other, Self::Refused];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Refused => "refused",
        }
    }
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Raise, Self::Violating, Self::Mislabelled, Self::Exempt];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Raise => "raise",
            Self::Violating => "violating",
            Self::Mislabelled => "mislabelled",
            Self::Exempt => "exempt",
        }
    }

    /// For people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Raise => "could enforce more",
            Self::Violating => "have pods that violate what they enforce",
            Self::Mislabelled => "have mistakes in their labels",
            Self::Exempt => "are exempt",
        }
    }
}

impl Satisfies {
    pub(crate) const ALL: [Self; 4] =
        [Self::Level(Level::Restricted), Self::Level(Level::Baseline), Self::Level(Level::Privileged), Self::NoPods];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Level(level) => level.as_str(),
            Self::NoPods => "no-pods",
        }
    }
}

impl Address {
    /// Reads what is asked for.
    pub fn read(path: &str, query: Option<&str>) -> Result<Self, Misread> {
        if matches!(path, "/" | "/ui") {
            return Err(Misread::Moved("/ui/"));
        }
        let rest = path.strip_prefix("/ui/").ok_or(Misread::NotFound)?;
        let (is_json, rest) = rest.strip_prefix("api/").map_or((false, rest), |rest| (true, rest));
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            segments.push(decode(segment, false).ok_or(Misread::NotFound)?);
        }
        let query = Query::read(query.unwrap_or_default())?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let page = match segments[..] {
            [""] => Page::Overview,
            ["namespaces"] => Page::Namespaces(NamespacesForm {
                text: query.text("q")?,
                level: query.choice("level", level)?,
                satisfies: query.choice("satisfies", satisfies)?,
                state: query.choice("state", state)?,
                page: query.page()?,
            }),
            ["namespaces", name] => Page::Namespace {
                name: name.to_owned(),
                level: query.choice("level", breaking)?.unwrap_or(Level::Restricted),
            },
            ["workloads"] => Page::Workloads(WorkloadsForm {
                breaks: query.choice("break", breaking)?.unwrap_or(Level::Restricted),
                text: query.text("q")?,
                namespace: query.text("namespace")?,
                page: query.page()?,
            }),
            ["pods"] => Page::Pods(PodsForm {
                text: query.text("q")?,
                namespace: query.text("namespace")?,
                scc: query.text("scc")?,
                now: query.choice("now", now)?,
                after: query.choice("after", |after| {
                    after.split_once('/').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
                })?,
            }),
            ["pods", namespace, name] => Page::Pod { namespace: namespace.to_owned(), name: name.to_owned() },
            ["constraints"] => Page::Constraints(ConstraintsForm { text: query.text("q")?, page: query.page()? }),
            ["constraints", name] => Page::Constraint { name: name.to_owned(), page: query.page()? },
            ["search"] => Page::Search { text: query.text("q")? },
            _ => return Err(Misread::NotFound),
        };
        let mut as_json = format!("/ui/api/{rest}");
        if !query.raw.is_empty() {
            as_json.push('?');
            as_json.push_str(query.raw);
        }
        Ok(Self { page, is_json, as_json })
    }

    /// Namespace and name of the pod that is asked for, if it is one.
    pub fn pod(&self) -> Option<(&str, &str)> {
        match &self.page {
            Page::Pod { namespace, name } => Some((namespace, name)),
            _ => None,
        }
    }

    /// Whether JSON is asked for.
    pub fn is_json(&self) -> bool {
        self.is_json
    }
}

fn level(text: &str) -> Option<Level> {
    text.parse().ok()
}

/// A level that something can break under.
fn breaking(text: &str) -> Option<Level> {
    level(text).filter(|level| *level != Level::Privileged)
}

fn satisfies(text: &str) -> Option<Satisfies> {
    Satisfies::ALL.into_iter().find(|known| known.as_str() == text)
}

fn now(text: &str) -> Option<NowForm> {
    NowForm::ALL.into_iter().find(|known| known.as_str() == text)
}

fn state(text: &str) -> Option<State> {
    State::ALL.into_iter().find(|known| known.as_str() == text)
}

/// The parameters of a query; of those given twice, the first counts, and unknown ones do not.
struct Query<'q> {
    raw: &'q str,
    all: Vec<(String, String)>,
}

impl<'q> Query<'q> {
    fn read(raw: &'q str) -> Result<Self, Misread> {
        let mut all = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let bad = || Misread::Parameter("the query is not well encoded".to_owned());
            all.push((decode(key, true).ok_or_else(bad)?, decode(value, true).ok_or_else(bad)?));
        }
        Ok(Self { raw, all })
    }

    /// A parameter that is there and not empty.
    fn get(&self, key: &str) -> Option<&str> {
        let found = self.all.iter().find(|(known, _)| known == key).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    fn text(&self, key: &str) -> Result<String, Misread> {
        let text = self.get(key).unwrap_or_default();
        if text.chars().count() > LONGEST {
            return Err(Misread::Parameter(format!("{key} is longer than {LONGEST} characters")));
        }
        Ok(text.to_owned())
    }

    fn choice<T>(&self, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Misread> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let bad = || Misread::Parameter(format!("{key} cannot be {text:?}"));
        read(text).map(Some).ok_or_else(bad)
    }

    fn page(&self) -> Result<usize, Misread> {
        let page = self.choice("page", |text| text.parse::<u32>().ok().filter(|page| *page > 0))?;
        Ok(page.unwrap_or(1) as usize)
    }
}

/// The address of a path's segments with parameters; those that are empty are left out.
pub(crate) fn href(segments: &[&str], parameters: &[(&str, &str)]) -> String {
    let mut address = "/ui".to_owned();
    for segment in segments {
        address.push('/');
        encode(segment, &mut address);
    }
    let mut separator = '?';
    for (key, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(separator);
        address.push_str(key);
        address.push('=');
        encode(value, &mut address);
        separator = '&';
    }
    address
}

fn encode(text: &str, into: &mut String) {
    // A path's segment of dots alone would be taken for a way up, encoded or not; no object has such a name.
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => into.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

/// `None` if it is not well encoded UTF-8. In a query, a plus is a space.
fn decode(text: &str, is_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if is_query => b' ',
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, query: &str) -> Page {
        Address::read(path, Some(query)).unwrap().page
    }

    #[test]
    fn reads_what_is_asked_for() {
        assert_eq!(page("/ui/", ""), Page::Overview);
        let name = || "a".to_owned();
        assert_eq!(
            page("/ui/namespaces/a", "level=baseline"),
            Page::Namespace { name: name(), level: Level::Baseline }
        );
        assert_eq!(page("/ui/pods/a/b%2Fc", ""), Page::Pod { namespace: name(), name: "b/c".to_owned() });
        let form =
            NamespacesForm { text: "x y".to_owned(), level: Some(Level::Restricted), page: 3, ..Default::default() };
        assert_eq!(
            page("/ui/namespaces", "q=x+y&level=restricted&page=3&satisfies=&unknown=1"),
            Page::Namespaces(form)
        );
    }

    #[test]
    fn json_has_the_same_addresses_under_a_prefix() {
        let address = Address::read("/ui/api/workloads", Some("break=baseline")).unwrap();
        assert!(address.is_json);
        let html = Address::read("/ui/workloads", Some("break=baseline")).unwrap();
        assert_eq!(html.as_json, "/ui/api/workloads?break=baseline");
        assert_eq!(html.page, address.page);
    }

    #[test]
    fn what_means_nothing_is_said_so() {
        let misread = |path, query| Address::read(path, Some(query)).unwrap_err();
        assert_eq!(misread("/ui", ""), Misread::Moved("/ui/"));
        assert_eq!(misread("/metrics", ""), Misread::NotFound);
        assert_eq!(misread("/ui/nothing", ""), Misread::NotFound);
        assert_eq!(misread("/ui/pods/a/%zz", ""), Misread::NotFound);
        assert_eq!(misread("/ui/pods/a/%FF", ""), Misread::NotFound);
        for (query, why) in [
            ("level=high", r#"level cannot be "high""#),
            ("page=0", r#"page cannot be "0""#),
            ("page=99999999999", r#"page cannot be "99999999999""#),
            ("q=%", "the query is not well encoded"),
        ] {
            assert_eq!(misread("/ui/namespaces", query), Misread::Parameter(why.to_owned()), "{query}");
        }
        assert_eq!(
            misread("/ui/workloads", "break=privileged"),
            Misread::Parameter(r#"break cannot be "privileged""#.to_owned())
        );
        assert!(matches!(misread("/ui/search", &format!("q={}", "x".repeat(300))), Misread::Parameter(_)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in ["a", "a b", "<script>", "\"'&?#/%", "ä\u{202e}", "..", "a+b"] {
            let address = href(&["pods", name, name], &[]);
            assert!(address.is_ascii() && !address.contains(['<', '"', '\'', '&', '?', '#']), "{address}");
            assert_eq!(page(&address, ""), Page::Pod { namespace: name.to_owned(), name: name.to_owned() });
            let address = href(&["search"], &[("q", name), ("empty", "")]);
            assert_eq!(page("/ui/search", address.split_once('?').unwrap().1), Page::Search { text: name.to_owned() });
        }
    }
}
