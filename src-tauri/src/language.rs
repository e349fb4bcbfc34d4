//! Texts in the language of the session: Fluent files that the page also reads, so that each text is defined
//! once.

use crate::view::{Support, Texts};
use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};

/// Languages and their texts. The first one is the fallback.
const LANGUAGES: [(&str, &str); 4] = [
    ("en", include_str!("../../ui/locales/en.ftl")),
    ("es", include_str!("../../ui/locales/es.ftl")),
    ("fr", include_str!("../../ui/locales/fr.ftl")),
    ("de", include_str!("../../ui/locales/de.ftl")),
];
/// Tag of American English, and its messages that differ from the fallback, which is British.
const AMERICAN: (&str, &str) = ("en-US", include_str!("../../ui/locales/en-US.ftl"));

#[derive(Clone, Copy, Debug)]
pub(crate) struct Language {
    name: &'static str,
    messages: &'static str,
    american: bool,
}

impl Language {
    /// The one of this session.
    pub(crate) fn of_session() -> Self {
        Self::best(sys_locale::get_locales())
    }

    /// The first of these that there is. They are spelled by BCP 47 (`es-MX`) or as in the environment (`es_MX.UTF-8`).
    fn best(wanted: impl IntoIterator<Item = String>) -> Self {
        let known = |wanted: String| {
            let mut parts = wanted.split(['-', '_', '.', '@']).map(str::to_lowercase);
            let (language, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let (name, messages) = LANGUAGES.into_iter().find(|(name, _)| *name == language)?;
            Some(Self { name, messages, american: name == "en" && region == "us" })
        };
        let (name, messages) = LANGUAGES[0];
        wanted.into_iter().find_map(known).unwrap_or(Self { name, messages, american: false })
    }

    /// Name of the language, without its region.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    pub(crate) fn texts(self) -> Texts {
        Texts {
            language: if self.american { AMERICAN.0 } else { self.name }.to_owned(),
            // The last message of a name counts.
            messages: if self.american {
                [self.messages, AMERICAN.1].concat()
            } else {
                self.messages.to_owned()
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Returns a text without arguments, for the tray and the window's title.
    pub(crate) fn text(self, id: &str) -> String {
        self.text_with(id, &FluentArgs::new())
    }

    /// Returns a text that sends the person to IT, with the team's name and number.
    pub(crate) fn text_to_it(self, id: &str, support: &Support) -> String {
        let known: Vec<&str> =
            [&support.name, &support.phone].into_iter().flatten().map(String::as_str).collect();
        let reach = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
        self.text_with(id, &FluentArgs::from_iter([("reach", reach)]))
    }

    /// Returns a text with its arguments filled in.
    pub(crate) fn text_with(self, id: &str, arguments: &FluentArgs<'_>) -> String {
        // What cannot be parsed is left out; a test holds that there is nothing such.
        let resource =
            FluentResource::try_new(self.texts().messages).unwrap_or_else(|(resource, _)| resource);
        let mut bundle: FluentBundle<FluentResource> =
            FluentBundle::new(self.name.parse().into_iter().collect());
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        let pattern = bundle.get_message(id).and_then(|message| message.value());
        pattern.map_or_else(
            || id.to_owned(),
            |pattern| bundle.format_pattern(pattern, Some(arguments), &mut Vec::new()).into_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view;
    use fluent_bundle::{FluentArgs, FluentValue};
    use std::collections::{BTreeMap, BTreeSet};
    use ts_rs::TS;
    use vitalsign_protocol::{check, ear};

    /// Each message's text by its id, as it is written.
    fn written(messages: &str) -> BTreeMap<String, String> {
        let mut written = BTreeMap::<String, String>::new();
        let mut last = String::new();
        for line in messages.lines().filter(|line| !line.starts_with('#')) {
            if let Some((id, text)) = line.split_once(" = ").filter(|_| line.starts_with(char::is_alphabetic))
            {
                assert!(written.insert(id.to_owned(), text.to_owned()).is_none(), "{id} stands twice");
                last = id.to_owned();
            } else if let Some(text) = written.get_mut(&last) {
                text.push_str(line);
            }
        }
        written
    }

    fn variables(text: &str) -> BTreeSet<&str> {
        let rest = text.split('$').skip(1);
        rest.map(|it| it.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()).collect()
    }

    fn english() -> BTreeMap<String, String> {
        written(LANGUAGES[0].1)
    }

    #[test]
    fn every_language_has_the_same_messages_and_arguments() {
        let english = english();
        for (name, messages) in LANGUAGES {
            let written = written(messages);
            let missing: Vec<_> = english.keys().filter(|id| !written.contains_key(*id)).collect();
            let extra: Vec<_> = written.keys().filter(|id| !english.contains_key(*id)).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{name} lacks {missing:?}, has more: {extra:?}");
            for (id, text) in &written {
                assert_eq!(variables(text), variables(&english[id]), "{name}: {id}");
                assert!(!text.trim().is_empty(), "{name}: {id}");
            }
        }
    }

    #[test]
    fn american_english_is_spelled_so() {
        let (english, american) = (english(), written(AMERICAN.1));
        for (id, text) in &american {
            let british = english.get(id).unwrap_or_else(|| panic!("{id} is no message"));
            assert_eq!(variables(text), variables(british), "{id}");
            assert_ne!(text, british, "{id} is the same");
        }
        let spoken = Language::best(["en-US".to_owned()]);
        for id in english.keys() {
            let text = spoken.text(id).to_lowercase();
            for british in
                ["organis", "recognis", "synchronis", "licence", "enrol ", "enrolment", "colour", "cancelled"]
            {
                assert!(!text.contains(british), "{id}: {text}");
            }
        }
        assert_eq!(spoken.text("end-cancelled"), "The application canceled the request");
        assert_eq!(Language::best([]).text("end-cancelled"), "The application cancelled the request");
    }

    #[test]
    fn every_text_reads_for_every_count() {
        for (name, messages) in LANGUAGES {
            let resource =
                FluentResource::try_new(messages.to_owned()).map_err(|(_, errors)| errors).unwrap();
            let mut bundle = FluentBundle::new(vec![name.parse().unwrap()]);
            bundle.add_resource(resource).unwrap();
            for (id, text) in written(messages) {
                let pattern = bundle.get_message(&id).unwrap().value().unwrap();
                for count in [0, 1, 2, 3, 5, 11, 21, 101, 1_000_000] {
                    let values = variables(&text).into_iter().map(|it| (it, FluentValue::from(count)));
                    let values = FluentArgs::from_iter(values);
                    let mut errors = Vec::new();
                    let read = bundle.format_pattern(pattern, Some(&values), &mut errors);
                    assert!(errors.is_empty() && !read.is_empty(), "{name}: {id} of {count}: {errors:?}");
                }
            }
        }
    }

    #[test]
    fn checks_and_reasons_read_as_on_the_command_line() {
        let english = english();
        let titles = check::TEXTS.iter().map(|it| (format!("check-{}-title", it.check), it.title));
        let purposes = check::TEXTS.iter().map(|it| (format!("check-{}-why", it.check), it.why));
        let remedies = check::remedies().map(|(check, it)| (check::message(check, it), it.text));
        let steps = check::remedies().flat_map(|(check, it)| {
            it.steps.iter().flat_map(move |steps| {
                let message = format!("{}-{}", check::message(check, it), steps.desktop.code());
                steps.lines.iter().zip(1..).map(move |(line, number)| (format!("{message}-{number}"), *line))
            })
        });
        let reasons = check::REASONS.iter().map(|(code, words)| (format!("reason-{code}"), *words));
        for (id, text) in titles.chain(purposes).chain(remedies).chain(steps).chain(reasons) {
            assert_eq!(english.get(&id).map(String::as_str), Some(text), "ui/locales/en.ftl: {id}");
        }
    }

    #[test]
    fn every_fact_that_policy_shows_has_a_label() {
        const APPRAISAL: &str = include_str!(
            "../../verifier/tests/appraise/snapshots/appraise__default_policy__the_whole_appraisal_reads_like_this.snap"
        );
        let (_, json) = APPRAISAL.split_once("\n---\n").unwrap();
        let submodules: BTreeMap<String, ear::Appraisal> = serde_json::from_str(json).unwrap();
        let checks = submodules.values().flat_map(|it| &it.vitalsign_checks);
        let labels = checks.flat_map(|check| check.seen.keys()).map(|name| format!("seen-{name}"));
        let english = english();
        let missing: BTreeSet<_> = labels.filter(|id| !english.contains_key(id)).collect();
        assert!(missing.is_empty(), "to be added to ui/locales: {missing:?}");
    }

    /// The names of a type's cases, as the page is told them.
    fn cases<T: TS>() -> Vec<String> {
        let declared = T::decl(&ts_rs::Config::default());
        let uncommented: String =
            declared.split("/**").map(|it| it.rsplit("*/").next().unwrap_or(it)).collect();
        // Of `{ "kind": "touch", keys: number }` and of `"touch"`, the same.
        let tagged = uncommented.contains("\"kind\": ");
        let parts = uncommented.split(if tagged { "\"kind\": " } else { " | " });
        let cases: Vec<_> = parts
            .skip(usize::from(tagged))
            .filter_map(|it| it.split('"').nth(usize::from(it.contains('"'))).map(str::to_owned))
            .collect();
        assert!(cases.len() > 1, "{declared}");
        cases
    }

    #[test]
    fn every_view_state_has_a_message() {
        let english = english();
        let mut wanted = Vec::new();
        let mut each = |cases: Vec<String>, names: &[&str]| {
            for case in cases {
                wanted.extend(names.iter().map(|name| name.replace('*', &case)));
            }
        };
        let but = |cases: Vec<String>, without: &str| -> Vec<String> {
            cases.into_iter().filter(|it| it != without).collect()
        };
        each(cases::<view::Page>(), &["nav-*", "title-*"]);
        each(cases::<view::DisconnectReason>(), &["loss-*"]);
        each(cases::<view::Tone>(), &["tone-*"]);
        each(but(cases::<view::Headline>(), "attention"), &["headline-*"]);
        // What it is not, the loss says.
        each(but(but(cases::<view::Headline>(), "attention"), "no-service"), &["headline-*-next"]);
        each(cases::<view::Remediator>(), &["remediator-*"]);
        each(but(cases::<view::Contact>(), "offline"), &["contact-*"]);
        each(cases::<view::Level>(), &["level-*"]);
        each(but(cases::<view::Step>(), "ended"), &["step-*"]);
        each(cases::<view::PromptResult>(), &["end-*", "end-*-next"]);
        each(["requestTone", "checkMark", "tones"].map(str::to_owned).to_vec(), &["settings-*"]);
        each(cases::<view::KeyProblemKind>(), &["trouble-*"]);
        let tray =
            ["healthy", "attention", "blocked", "offline", "step-up", "status", "check", "register", "about"];
        each(tray.map(str::to_owned).to_vec(), &["tray-*"]);
        let missing: Vec<_> = wanted.iter().filter(|id| !english.contains_key(*id)).collect();
        assert!(missing.is_empty(), "no text: {missing:?}");
        for case in [
            "headline-key-trouble",
            "end-not-mine",
            "trouble-wrong-key",
            "step-checking",
            "loss-other-version",
        ] {
            assert!(wanted.iter().any(|it| it == case), "{case} was not looked for: {wanted:?}");
        }
    }

    #[test]
    fn the_language_is_the_sessions_or_english() {
        for (session, wanted) in [
            (&["es_MX.UTF-8"][..], "es"),
            (&["es-MX"], "es"),
            (&["de"], "de"),
            (&["de@euro"], "de"),
            (&["FR_ca"], "fr"),
            (&["fr.UTF-8"], "fr"),
            (&["en-GB"], "en"),
            (&["en-AU"], "en"),
            (&["en"], "en"),
            (&["en-US"], "en-US"),
            (&["en_US.UTF-8", "de"], "en-US"),
            (&["es-US"], "es"),
            (&["pl-PL", "de-DE", "fr"], "de"),
            (&["C"], "en"),
            (&["POSIX"], "en"),
            (&["C.UTF-8"], "en"),
            (&["tlh"], "en"),
            (&[""], "en"),
            // No language of ours, though it begins like one.
            (&["den"], "en"),
            (&[], "en"),
        ] {
            let language = Language::best(session.iter().map(|&it| it.to_owned()));
            assert_eq!(language.texts().language, wanted, "{session:?}");
            assert_eq!(language.name, wanted.split('-').next().unwrap(), "{session:?}");
        }
    }

    #[test]
    fn sentences_name_the_team_and_its_number() {
        let support = |phone: Option<&str>| Support { phone: phone.map(str::to_owned), ..Support::default() };
        for (session, wanted) in [
            ("en", "call IT (ext. 1234)."),
            ("es", "llame a Informática (ext. 1234)."),
            ("fr", "appelez le service informatique (ext. 1234)."),
            ("de", "rufen Sie die IT (ext. 1234) an."),
        ] {
            let language = Language::best([session.to_owned()]);
            let said = language.text_to_it("page-slow", &support(Some("ext. 1234")));
            assert!(said.ends_with(wanted), "{said}");
            let said = language.text_to_it("page-slow", &support(None));
            assert!(said.ends_with(&wanted.replace(" (ext. 1234)", "")), "{said}");
        }
    }

    /// Words by which a sentence sends the person to IT, and the word for IT.
    const TO_IT: [(&str, &[&str], &str); 4] = [
        ("en", &["all ", "ontact ", "sk ", "ell "], "IT"),
        ("es", &["lame a ", "ontacte con ", "ida a ", "iga a ", "regunte a "], "Informática"),
        (
            "fr",
            &["ppelez le ", "ontactez le ", "mandez au ", "dressez-vous au ", "ndiquez sa réponse au "],
            "service informatique",
        ),
        ("de", &["ufen Sie die ", "nden Sie sich an die ", "itten Sie die ", "agen Sie der "], "IT"),
    ];

    #[test]
    fn no_sentence_sends_people_to_it_without_a_way() {
        for ((name, verbs, it), (_, messages)) in
            TO_IT.into_iter().map(|it| (it, LANGUAGES.into_iter().find(|(name, _)| *name == it.0).unwrap()))
        {
            for (id, text) in written(messages) {
                // A check's card has the way to IT below its remedy.
                let is_card = id.starts_with("check-") || id.starts_with("remediator-");
                for verb in verbs.iter().filter(|_| !is_card) {
                    let bare = format!("{verb}{it}");
                    let mut rest = text.split(&bare).skip(1);
                    assert!(rest.all(|rest| rest.starts_with("{ $reach }")), "{name}: {id}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_tray_speaks_each_language() {
        for (session, wanted) in [
            ("en", "Check again"),
            ("es", "Comprobar de nuevo"),
            ("fr", "Vérifier à nouveau"),
            ("de", "Erneut prüfen"),
        ] {
            assert_eq!(Language::best([session.to_owned()]).text("tray-check"), wanted);
        }
    }
}
