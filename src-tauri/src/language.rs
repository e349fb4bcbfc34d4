//! The texts, in the language of the session: Fluent files that the page reads too, so that each text stands once.

use crate::view::Texts;
use fluent_bundle::{FluentBundle, FluentResource};

/// Each language, and its texts. The first one is for everybody else.
const LANGUAGES: [(&str, &str); 1] = [("en", include_str!("../../ui/locales/en.ftl"))];

/// A language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Language {
    name: &'static str,
    messages: &'static str,
}

impl Language {
    /// The one of this session.
    pub(crate) fn of_session() -> Self {
        Self::best(sys_locale::get_locales())
    }

    /// The first of these that there is.
    fn best(wanted: impl IntoIterator<Item = String>) -> Self {
        let known = |wanted: String| {
            let wanted = wanted.split(['-', '_']).next().unwrap_or_default().to_lowercase();
            LANGUAGES.into_iter().find(|(name, _)| *name == wanted)
        };
        let (name, messages) = wanted.into_iter().find_map(known).unwrap_or(LANGUAGES[0]);
        Self { name, messages }
    }

    /// For the page.
    pub(crate) fn texts(self) -> Texts {
        Texts {
            language: self.name.to_owned(),
            messages: self.messages.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// A text without arguments, for what stands outside of the page: the tray, the window's title.
    pub(crate) fn text(self, id: &str) -> String {
        // What cannot be parsed is left out; a test holds that there is nothing such.
        let resource =
            FluentResource::try_new(self.messages.to_owned()).unwrap_or_else(|(resource, _)| resource);
        let mut bundle: FluentBundle<FluentResource> =
            FluentBundle::new(self.name.parse().into_iter().collect());
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        let pattern = bundle.get_message(id).and_then(|message| message.value());
        pattern.map_or_else(
            || id.to_owned(),
            |pattern| bundle.format_pattern(pattern, None, &mut Vec::new()).into_owned(),
        )
    }
}
