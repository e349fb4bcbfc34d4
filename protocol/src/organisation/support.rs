//! Ways to reach the organisation's IT staff.

use super::fits;
use serde::{Deserialize, Serialize};

/// Ways to reach the organisation's IT staff. Every part is plain text of limited length, see [`Support::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Support {
    /// Name of the team, for example `Service desk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Telephone number as people dial it, for example `ext. 1234`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// One more sentence, for example the opening hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Address of a page, a mailbox or a telephone: `https:`, `mailto:` or `tel:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Setting of [`Support`] that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupportError {
    /// A part is empty, longer than its limit, or not plain text.
    #[error("[support] {name} must be plain text of 1 to {limit} characters")]
    Text {
        /// Name of the setting.
        name: &'static str,
        /// Most characters.
        limit: usize,
    },
    /// The address has another scheme, or characters that an address does not have.
    #[error("[support] url must begin with https://, mailto: or tel:, without spaces: {0}")]
    Url(String),
}

impl Support {
    /// Checks lengths, characters and the address.
    ///
    /// # Errors
    /// The first part that cannot be used.
    pub fn check(&self) -> Result<(), SupportError> {
        let parts = [
            ("name", &self.name, 40),
            ("phone", &self.phone, 40),
            ("text", &self.text, 200),
            ("url", &self.url, 200),
        ];
        for (name, text, limit) in parts {
            if !text.as_deref().is_none_or(|text| fits(text, limit)) {
                return Err(SupportError::Text { name, limit });
            }
        }
        let known = |url: &str| {
            let rest = ["https://", "mailto:", "tel:"].iter().find_map(|scheme| url.strip_prefix(scheme));
            rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()))
        };
        match &self.url {
            Some(url) if !known(url) => Err(SupportError::Url(url.clone())),
            _ => Ok(()),
        }
    }

    /// Returns whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns `IT` for a sentence, with the team's name and number where they are known: `IT (Service desk, ext. 1234)`.
    #[must_use]
    pub fn it(&self) -> String {
        let known: Vec<&str> = [&self.name, &self.phone].into_iter().flatten().map(String::as_str).collect();
        if known.is_empty() { "IT".to_owned() } else { format!("IT ({})", known.join(", ")) }
    }

    /// Returns an instruction such as `Call Service desk (ext. 1234).`
    #[must_use]
    pub fn instruction(&self) -> String {
        let name = self.name.as_deref().unwrap_or("IT");
        match (&self.phone, &self.url) {
            (Some(phone), _) => format!("Call {name} ({phone})."),
            (None, Some(url)) => format!("Contact {name} ({url})."),
            (None, None) => format!("Contact {name}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn support(name: &str, phone: &str, text: &str, url: &str) -> Support {
        let given = |text: &str| (text != "-").then(|| text.to_owned());
        Support { name: given(name), phone: given(phone), text: given(text), url: given(url) }
    }

    #[test]
    fn support_accepts_plain_text_and_known_addresses() {
        for (good, it) in [
            (true, support("-", "-", "-", "-")),
            (true, support("Service desk", "ext. 1234", "Day and night.", "https://it.example/help?a=b#c")),
            (true, support("Hôpital", "-", "-", "mailto:it@hospital.example")),
            (true, support("-", "-", "-", "tel:+49-30-1234")),
            (false, support("", "-", "-", "-")),
            (false, support(" ", "-", "-", "-")),
            (false, support("-", "1\u{202e}2", "-", "-")),
            (false, support("-", "1\n2", "-", "-")),
            (false, support(&"x".repeat(41), "-", "-", "-")),
            (false, support("-", "-", &"x".repeat(201), "-")),
            (false, support("-", "-", "-", "http://it.example")),
            (false, support("-", "-", "-", "javascript:alert(1)")),
            (false, support("-", "-", "-", "file:///etc/passwd")),
            (false, support("-", "-", "-", "https://")),
            (false, support("-", "-", "-", "https://it.example/a b")),
            (false, support("-", "-", "-", "https://it.ex\u{e4}mple")),
        ] {
            assert_eq!(it.check().is_ok(), good, "{it:?}");
        }
    }

    #[test]
    fn instruction_names_the_shortest_way_to_it() {
        for (it, wanted) in [
            (support("-", "-", "-", "-"), "Contact IT."),
            (support("-", "ext. 1234", "-", "https://it.example"), "Call IT (ext. 1234)."),
            (support("Service desk", "ext. 1", "-", "-"), "Call Service desk (ext. 1)."),
            (
                support("Service desk", "-", "-", "mailto:it@x.example"),
                "Contact Service desk (mailto:it@x.example).",
            ),
        ] {
            assert_eq!(it.instruction(), wanted);
        }
        assert_eq!(support("-", "-", "-", "https://it.example").it(), "IT");
        assert_eq!(support("Service desk", "ext. 1", "-", "-").it(), "IT (Service desk, ext. 1)");
    }
}
