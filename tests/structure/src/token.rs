//! Rust source as tokens with their lines, without comments and contents of strings.
//!
//! Not a parser, but it recognises nested comments, raw strings and lifetimes.

/// A token: a word or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// A name or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c == '_' || c.is_alphabetic())
    }
}

/// Splits a file into tokens. `::` is one token, every other sign is its own. A string, a number or a character
/// becomes `"`, so that it still separates tokens and its lines count as code.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source.chars().collect(), at: 0, line: 1, found: Vec::new() };
    while let Some(c) = reader.peek(0) {
        match c {
            _ if c.is_whitespace() => reader.skip(1),
            '/' if reader.peek(1) == Some('/') => reader.skip_line(),
            '/' if reader.peek(1) == Some('*') => reader.skip_comment(),
            '"' => reader.string(),
            '\'' => reader.quote(),
            _ if c.is_ascii_digit() => reader.number(),
            _ if c == '_' || c.is_alphabetic() => reader.word(),
            ':' if reader.peek(1) == Some(':') => {
                reader.push("::");
                reader.skip(2);
            }
            _ => {
                reader.push(&c.to_string());
                reader.skip(1);
            }
        }
    }
    reader.found
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn push(&mut self, text: &str) {
        self.found.push(Token { text: text.to_owned(), line: self.line });
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.skip(1);
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    /// A string from its opening to its closing quote. It produces a token on each of its lines, because they count
    /// as code.
    fn string(&mut self) {
        self.push("\"");
        self.skip(1);
        while let Some(c) = self.peek(0) {
            match c {
                '\\' => self.skip(2),
                '"' => return self.skip(1),
                '\n' => {
                    self.skip(1);
                    self.push("\"");
                }
                _ => self.skip(1),
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        self.push("\"");
        self.skip(hashes + 1);
        while let Some(c) = self.peek(0) {
            let closes = c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            self.skip(1);
            if closes {
                return self.skip(hashes);
            }
            if c == '\n' {
                self.push("\"");
            }
        }
    }

    /// A character, or a lifetime, which has no second quote after one character.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            self.push("\"");
            self.skip(3);
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.skip(1);
            }
            self.skip(1);
        } else if self.peek(2) == Some('\'') {
            self.push("\"");
            self.skip(3);
        } else {
            self.skip(1);
            while self.peek(0).is_some_and(|c| c == '_' || c.is_alphanumeric()) {
                self.skip(1);
            }
        }
    }

    fn number(&mut self) {
        self.push("\"");
        while self.peek(0).is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.skip(1);
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let line = self.line;
        while self.peek(0).is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.skip(1);
        }
        let text: String = self.rest[start..self.at].iter().collect();
        let hashes = (0..).take_while(|&ahead| self.peek(ahead) == Some('#')).count();
        match (text.as_str(), self.peek(hashes)) {
            ("r" | "br" | "cr", Some('"')) => self.raw_string(hashes),
            ("b" | "c", Some('"')) if hashes == 0 => self.string(),
            ("b", Some('\'')) => self.quote(),
            // A raw name: `r#type`.
            ("r", Some(c)) if hashes == 1 && (c == '_' || c.is_alphabetic()) => {
                self.skip(1);
                self.word();
            }
            _ => self.found.push(Token { text, line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).into_iter().filter(Token::is_word).map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        let source = r####"
            a /* b /* c */ d */ e // f
            "g \" h" i r#"j " k"# l b"m" n 'o' p '\'' q '\u{1F600}' r 'static s br##"t "# u"## v r#type w"####;
        assert_eq!(words(source), ["a", "e", "i", "l", "n", "p", "q", "r", "s", "v", "type", "w"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("a\n\"x\ny\"\n/*\n*/ b::c");
        let b = found.iter().find(|token| token.is("b")).unwrap();
        assert_eq!(b.line, 5);
        assert!(found.iter().any(|token| token.is("::")));
    }

    #[test]
    fn a_range_of_numbers_stays_signs() {
        let text: Vec<String> = tokens("0..=9 x.0.y").into_iter().map(|token| token.text).collect();
        assert_eq!(text, ["\"", ".", ".", "=", "\"", "x", ".", "\"", ".", "y"]);
    }
}
