//! HTML and SVG that are well-formed and safe by construction: tags are written here or in the source code, everything else
//! is escaped on its way in.
//! Not here: what a page looks like (see `page`).

use std::fmt::Write as _;

/// Names and values of attributes.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A piece of a document. Nothing gets into it unescaped but names that stand in the source code.
#[derive(Clone, Debug, Default)]
pub struct Markup {
    text: String,
}

impl Markup {
    /// An empty piece.
    pub fn new() -> Self {
        Self::default()
    }

    /// The document's text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Words, whoever wrote them.
    pub fn text(&mut self, words: &str) -> &mut Self {
        self.text.push_str(&escaped(words));
        self
    }

    /// An element with what `inner` puts into it.
    pub fn within(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inner: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(name, attributes);
        inner(self);
        let _ = write!(self.text, "</{name}>");
        self
    }

    /// An element that holds words only.
    pub fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, words: &str) -> &mut Self {
        self.within(name, attributes, |inner| {
            inner.text(words);
        })
    }

    /// An element that never holds anything and has no end tag, such as `img`.
    pub fn void(&mut self, name: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.open(name, attributes);
        self
    }

    /// A line break in the source, for people who read that.
    pub fn newline(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// Another piece.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.text.push_str(&other.text);
        self
    }

    /// A style sheet or script from the source code, in the element of that name.
    pub fn code(&mut self, name: &'static str, code: &'static str) -> &mut Self {
        let _ = write!(self.text, "<{name}>{code}</{name}>");
        self
    }

    fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", escaped(value));
        }
        self.text.push('>');
    }
}

/// Text in which nothing is markup: neither between tags nor in a quoted attribute. Characters that control a terminal or
/// turn the direction of writing round are replaced.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            other if is_deceptive(other) => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// Whether a character shows as nothing and changes how others are shown: controls, and marks of writing direction.
pub fn is_deceptive(character: char) -> bool {
    let is_direction =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || is_direction
}

/// The address of a page, if it is one that a click may lead to.
pub fn web_link(link: &str) -> Option<&str> {
    let rest = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"))?;
    let is_plain = rest.chars().all(|character| !character.is_whitespace() && !is_deceptive(character));
    (is_plain && !rest.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_never_becomes_markup() {
        let hostile = "\"><script>alert('x')</script>&\u{202e}\u{7}";
        let mut markup = Markup::new();
        markup.leaf("td", &[("title", hostile)], hostile);
        let safe = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\u{fffd}\u{fffd}";
        assert_eq!(markup.into_text(), format!("<td title=\"{safe}\">{safe}</td>"));
    }

    #[test]
    fn elements_close_in_the_order_they_were_opened() {
        let mut markup = Markup::new();
        markup.within("ul", &[], |list| {
            list.leaf("li", &[("class", "a")], "one").within("li", &[], |item| {
                item.void("img", &[("alt", "")]).text("two");
            });
        });
        assert_eq!(markup.into_text(), "<ul><li class=\"a\">one</li><li><img alt=\"\">two</li></ul>");
    }

    #[test]
    fn links_lead_to_pages_only() {
        assert_eq!(web_link("https://example.org/a?b=c#d"), Some("https://example.org/a?b=c#d"));
        for other in
            ["javascript:alert(1)", "data:text/html,x", "https://", "HTTPS:x", "https://a b", "//example.org", ""]
        {
            assert_eq!(web_link(other), None, "{other}");
        }
    }
}
