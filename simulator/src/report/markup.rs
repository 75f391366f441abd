//! HTML that is balanced and escaped by its types: an element can only be made of elements and text, and text is always
//! escaped.

use std::fmt::{self, Display, Write as _};

/// Well-formed HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

impl Markup {
    /// What is no HTML of ours: the style sheet and the script, which must not contain their own end tag.
    pub(super) const fn verbatim(text: String) -> Self {
        Self(text)
    }

    pub(super) fn text(text: impl Display) -> Self {
        let mut escaped = String::new();
        write_to(&mut escaped, text);
        Self(escaped)
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl FromIterator<Self> for Markup {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        let mut all = String::new();
        for Self(part) in parts {
            all.push_str(&part);
        }
        Self(all)
    }
}

impl<const N: usize> From<[Self; N]> for Markup {
    fn from(parts: [Self; N]) -> Self {
        parts.into_iter().collect()
    }
}

impl From<Vec<Self>> for Markup {
    fn from(parts: Vec<Self>) -> Self {
        parts.into_iter().collect()
    }
}

/// An element whose content is still missing.
#[derive(Debug)]
#[must_use]
pub(super) struct Element {
    name: &'static str,
    open: String,
}

/// An element of that name.
pub(super) fn element(name: &'static str) -> Element {
    Element { name, open: format!("<{name}") }
}

impl Element {
    pub(super) fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.open.push(' ');
        self.open.push_str(attribute);
        self.open.push_str("=\"");
        write_to(&mut self.open, value);
        self.open.push('"');
        self
    }

    /// An attribute without a value.
    pub(super) fn flag(mut self, attribute: &'static str) -> Self {
        self.open.push(' ');
        self.open.push_str(attribute);
        self
    }

    pub(super) fn class(self, class: &str) -> Self {
        if class.is_empty() { self } else { self.with("class", class) }
    }

    pub(super) fn text(self, text: impl Display) -> Markup {
        self.holding(Markup::text(text))
    }

    pub(super) fn holding(self, content: impl Into<Markup>) -> Markup {
        let Self { name, open } = self;
        Markup(format!("{open}>{}</{name}>", content.into().0))
    }

    /// An element of HTML that has neither content nor an end tag.
    pub(super) fn void(self) -> Markup {
        Markup(self.open + ">")
    }
}

/// A table, which scrolls where it is wider than the window.
pub(super) fn table(
    class: &str,
    label: &str,
    heads: impl IntoIterator<Item = Markup>,
    rows: impl Into<Markup>,
) -> Markup {
    let heads: Markup = heads.into_iter().collect();
    let table = element("table")
        .class(class)
        .holding([element("thead").holding(element("tr").holding(heads)), element("tbody").holding(rows)]);
    let around = element("div").class("scroll").with("tabindex", 0).with("role", "group").with("aria-label", label);
    around.holding(table)
}

/// The head of a column.
pub(super) fn column() -> Element {
    element("th").with("scope", "col")
}

/// The head of a row.
pub(super) fn row() -> Element {
    element("th").with("scope", "row")
}

fn write_to(escaped: &mut String, text: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(Escaping(escaped), "{text}");
}

/// Escapes what it writes.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                // HTML has no way to write the others.
                other if other.is_control() => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// JSON within a script element: nothing in it ends the element or starts a comment.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Markup {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // These occur only within strings.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(character));
            }
            other => safe.push(other),
        }
    }
    Markup(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let name = "<script>alert('1')</script> & \"\u{1b}\"";
        let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;\u{fffd}&quot;";
        let html = element("td").with("title", name).flag("hidden").text(name).into_string();
        assert_eq!(html, format!("<td title=\"{escaped}\" hidden>{escaped}</td>"));
    }

    #[test]
    fn json_never_ends_its_script() {
        let html = json(&["</script><!--", "a\u{2028}b"]).into_string();
        assert_eq!(html, r#"["\u003c/script\u003e\u003c!--","a\u2028b"]"#);
    }
}
