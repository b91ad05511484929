//! Writing HTML: everything that came from outside goes through [`Escaped`].

use std::fmt::{self, Display, Formatter, Write};

/// Text made safe within an element and within a quoted attribute.
pub(crate) struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// HTML as it grows.
#[derive(Debug, Default)]
pub(crate) struct Html(pub String);

impl Html {
    /// Appends markup, made with `format_args!`. What came from outside has to be [`Escaped`] in it.
    pub(crate) fn put(&mut self, markup: fmt::Arguments<'_>) -> &mut Html {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(markup);
        self
    }

    /// Appends text from outside.
    pub(crate) fn text(&mut self, text: &str) -> &mut Html {
        self.put(format_args!("{}", Escaped(text)))
    }
}

/// `text` as one value of a query string (RFC 3986 2.1): all but letters, digits, `.`, `-`, `_` and `~` escaped.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// An address with what is asked of it, of the parts that there are.
pub(crate) fn address(path: &str, asked: impl IntoIterator<Item = Option<String>>) -> String {
    let asked: Vec<String> = asked.into_iter().flatten().collect();
    if asked.is_empty() { path.to_owned() } else { format!("{path}?{}", asked.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        let hostile = "<script>alert('x')</script>&\"đ";
        let shown = Escaped(hostile).to_string();
        assert_eq!(shown, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;đ");
        assert_eq!(percent("/?a=đ&b"), "%2F%3Fa%3D%C4%91%26b");
    }
}
