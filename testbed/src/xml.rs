//! The little XML that AWS' Query protocol needs: elements and text.

use std::fmt::Display;

/// Writes elements into each other.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// An element with others in it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        content(self);
        self.close(name)
    }

    /// An element with a text in it.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) -> &mut Self {
        self.open(name);
        self.0.push_str(&escape(&text.to_string()));
        self.close(name)
    }

    /// An element with a text in it, where there is one.
    pub(crate) fn optional(&mut self, name: &str, text: Option<impl Display>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// A list, as the Query protocol writes one: every item is a `member`.
    pub(crate) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut content: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| content(xml, item));
            }
        })
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

/// The text with XML's own characters as references. Control characters that XML 1.0 cannot carry become `?`.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // Written plainly, a reader would make a line feed of it.
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_element() {
        let mut xml = Xml::default();
        xml.text("Message", "</Message><a b=\"c\">'&amp;'");
        assert_eq!(
            xml.into_text(),
            "<Message>&lt;/Message&gt;&lt;a b=&quot;c&quot;&gt;&apos;&amp;amp;&apos;</Message>"
        );
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        assert_eq!(escape("a\u{0}b\u{1b}[31m\r\n\u{ffff}é"), "a?b?[31m&#13;\n?é");
    }

    #[test]
    fn lists_hold_members() {
        let mut xml = Xml::default();
        xml.members("Zones", ["a", "b"], |xml, zone| {
            xml.text("Zone", zone);
        })
        .optional("None", None::<&str>);
        assert_eq!(xml.into_text(), "<Zones><member><Zone>a</Zone></member><member><Zone>b</Zone></member></Zones>");
    }
}
