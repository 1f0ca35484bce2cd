//! A page of a long list.

use crate::address::href;
use maud::{Markup, html};
use serde::Serialize;

/// Rows of one page.
pub(crate) const ROWS: usize = 100;

/// Where in a list a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paging {
    /// How many rows the whole list has.
    pub(crate) total: usize,
    /// Beginning with 1.
    pub(crate) page: usize,
    pub(crate) pages: usize,
}

impl Paging {
    /// A page after the last one is the last one.
    pub(crate) fn new(total: usize, page: usize) -> Self {
        let pages = total.div_ceil(ROWS).max(1);
        Self { total, page: page.clamp(1, pages), pages }
    }

    /// How many rows come before.
    pub(crate) fn skip(self) -> usize {
        (self.page - 1) * ROWS
    }

    /// Links to the pages around, if there is more than one.
    pub(crate) fn links(self, segments: &[&str], parameters: &[(&str, &str)]) -> Markup {
        let to = |page: usize| {
            let number = page.to_string();
            let mut all = parameters.to_vec();
            all.push(("page", if page == 1 { "" } else { &number }));
            href(segments, &all)
        };
        html! {
            @if self.pages > 1 {
                nav.pages aria-label="Pages" {
                    @if self.page > 1 { a rel="prev" href=(to(self.page - 1)) { "Previous" } }
                    span { "Page " (number(self.page)) " of " (number(self.pages)) }
                    @if self.page < self.pages { a rel="next" href=(to(self.page + 1)) { "Next" } }
                }
            }
        }
    }
}

/// A number with its thousands apart.
pub(crate) fn number(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 pod`, `2 pods`.
pub(crate) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", number(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_beyond_the_end_is_the_last() {
        assert_eq!(Paging::new(250, 9), Paging { total: 250, page: 3, pages: 3 });
        assert_eq!(Paging::new(0, 1).skip(), 0);
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([number(0), number(999), number(1000), number(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1, "pod"), count(2000, "pod")], ["1 pod", "2,000 pods"]);
    }
}
