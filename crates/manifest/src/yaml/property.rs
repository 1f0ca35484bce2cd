//! The scanner's part for anchors, aliases, tags and directives.

use super::chars::{at, is_blank, is_blankz, is_breakz, is_word, line_break, width};
use super::scanner::Scanner;
use super::token::{Result, Token, TokenKind};
use crate::tree::Text;

impl Scanner<'_> {
    pub(super) fn scan_anchor(&mut self, alias: bool) -> Result<Token> {
        let start = self.mark.pos;
        self.advance(1);
        let name = self.scan_word();
        let end = self.mark.pos;
        let follows = at(self.bytes, end);
        let ends = is_blankz(self.bytes, end) || b"?:,]}%@`".contains(&follows);
        if end == start + 1 || !ends {
            return self.error("did not find expected alphabetic or numeric character");
        }
        let kind = if alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) };
        Ok(Token { kind, start, end })
    }

    fn scan_word(&mut self) -> Text {
        let start = self.mark.pos;
        while is_word(at(self.bytes, self.mark.pos)) {
            self.advance(1);
        }
        Text::source(start, self.mark.pos)
    }

    pub(super) fn scan_tag(&mut self) -> Result<Token> {
        let start = self.mark.pos;
        let (handle, suffix);
        if at(self.bytes, start + 1) == b'<' {
            self.advance(2);
            handle = Text::EMPTY;
            suffix = self.scan_tag_uri("", true)?;
            if at(self.bytes, self.mark.pos) != b'>' {
                return self.error("did not find the expected '>'");
            }
            self.advance(1);
        } else {
            let first = self.scan_tag_handle(false)?;
            let end = self.mark.pos;
            if end - start > 1 && at(self.bytes, end - 1) == b'!' {
                handle = first;
                suffix = self.scan_tag_uri("", true)?;
            } else {
                // It was no handle: what has been read is the beginning of the suffix.
                let head = self.text.get(start + 1..end).unwrap_or_default();
                let rest = self.scan_tag_uri(head, false)?;
                let bang = Text::source(start, start + 1);
                let alone = rest.get(self.text, &self.side).is_empty();
                (handle, suffix) = if alone { (Text::EMPTY, bang) } else { (bang, rest) };
            }
        }
        if !is_blankz(self.bytes, self.mark.pos) {
            return self.error("did not find expected whitespace or line break");
        }
        Ok(Token { kind: TokenKind::Tag { handle, suffix }, start, end: self.mark.pos })
    }

    fn scan_tag_handle(&mut self, directive: bool) -> Result<Text> {
        let start = self.mark.pos;
        if at(self.bytes, start) != b'!' {
            return self.error("did not find expected '!'");
        }
        self.advance(1);
        self.scan_word();
        if at(self.bytes, self.mark.pos) == b'!' {
            self.advance(1);
        } else if directive && self.mark.pos != start + 1 {
            return self.error("did not find expected '!'");
        }
        Ok(Text::source(start, self.mark.pos))
    }

    /// The rest of a tag after `head`, URI escapes decoded.
    fn scan_tag_uri(&mut self, head: &str, required: bool) -> Result<Text> {
        let from = self.side.len();
        self.side.push_str(head);
        let start = self.mark.pos;
        loop {
            let c = at(self.bytes, self.mark.pos);
            if c == b'%' {
                self.scan_uri_escape()?;
            } else if is_word(c) || b";/?:@&=+$,.!~*'()[]".contains(&c) {
                self.side.push(char::from(c));
                self.advance(1);
            } else {
                break;
            }
        }
        if required && self.mark.pos == start {
            return self.error("did not find expected tag URI");
        }
        Ok(Text::side(from, self.side.len()))
    }

    /// The octets of one character, each as `%XX`.
    fn scan_uri_escape(&mut self) -> Result<()> {
        let mut octets = [0u8; 4];
        let mut n = 0;
        let mut want = 1;
        while n < want {
            let hex = self.text.get(self.mark.pos + 1..self.mark.pos + 3).unwrap_or_default();
            let octet = u8::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|c| c.is_ascii_hexdigit()));
            let (b'%', Some(octet)) = (at(self.bytes, self.mark.pos), octet) else {
                return self.error("did not find URI escaped octet");
            };
            if n == 0 {
                want = if matches!(octet, 0x80..0xC0 | 0xF8..) { 0 } else { width(octet) };
                if want == 0 {
                    return self.error("found an incorrect leading UTF-8 octet");
                }
            } else if octet & 0xC0 != 0x80 {
                return self.error("found an incorrect trailing UTF-8 octet");
            }
            if let Some(slot) = octets.get_mut(n) {
                *slot = octet;
            }
            n += 1;
            self.advance(3);
        }
        // Octets that are no character can only make a tag that nothing knows: any placeholder will do.
        self.side.push_str(octets.get(..n).and_then(|o| std::str::from_utf8(o).ok()).unwrap_or("\u{FFFD}"));
        Ok(())
    }

    pub(super) fn scan_directive(&mut self) -> Result<Token> {
        let start = self.mark.pos;
        self.advance(1);
        let name = self.scan_word();
        if self.mark.pos == start + 1 {
            return self.error("could not find expected directive name");
        }
        if !is_blankz(self.bytes, self.mark.pos) {
            return self.error("found unexpected non-alphabetical character");
        }
        let kind = match name.get(self.text, "") {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_directive()?,
            _ => return self.error("found unknown directive name"),
        };
        let end = self.mark.pos;
        self.skip_blanks();
        if at(self.bytes, self.mark.pos) == b'#' {
            self.skip_comment();
        }
        if !is_breakz(self.bytes, self.mark.pos) {
            return self.error("did not find expected comment or line break");
        }
        if line_break(self.bytes, self.mark.pos) > 0 {
            self.skip_line();
        }
        Ok(Token { kind, start, end })
    }

    fn scan_version(&mut self) -> Result<TokenKind> {
        self.skip_blanks();
        let major = self.scan_version_number()?;
        if at(self.bytes, self.mark.pos) != b'.' {
            return self.error("did not find expected digit or '.' character");
        }
        self.advance(1);
        let minor = self.scan_version_number()?;
        Ok(TokenKind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self) -> Result<u8> {
        let start = self.mark.pos;
        let mut number = 0;
        while let c @ b'0'..=b'9' = at(self.bytes, self.mark.pos) {
            if self.mark.pos - start == 2 {
                return self.error("found extremely long version number");
            }
            number = number * 10 + (c - b'0');
            self.advance(1);
        }
        if self.mark.pos == start {
            return self.error("did not find expected version number");
        }
        Ok(number)
    }

    fn scan_tag_directive(&mut self) -> Result<TokenKind> {
        self.skip_blanks();
        let handle = self.scan_tag_handle(true)?;
        if !is_blank(self.bytes, self.mark.pos) {
            return self.error("did not find expected whitespace");
        }
        self.skip_blanks();
        let prefix = self.scan_tag_uri("", true)?;
        if !is_blankz(self.bytes, self.mark.pos) {
            return self.error("did not find expected whitespace or line break");
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }
}
