//! Settings of one source, and how a file of them is parsed. An error names file, line and column, and never a value: the
//! file may hold an enrolment token.

use super::settings::{is_table, setting, suggestion};
use super::{ConfigError, TrustAnchors, checked_token, checked_url};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use vitalsign_ipc::Display;
use vitalsign_protocol::device_names::AssetTag;
use vitalsign_protocol::id::Secret;
use vitalsign_protocol::organisation::{Colour, Organisation, Support};

/// Settings as one source gives them: what it does not say is left to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ConfigLayer {
    /// URL of the verifier, for example `https://verifier.example`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verifier: Option<String>,
    /// Certificates that the verifier's certificate must chain to, PEM. No others are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The same certificates themselves, instead of their file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificates: Option<String>,
    /// A file with the enrolment token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The enrolment token itself. It is never written.
    #[serde(skip_serializing)]
    pub(crate) enrolment_token: Option<ConfiguredToken>,
    /// The report key: `auto` (this device's TPM), `software`, or where the TPM is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) socket: Option<PathBuf>,
    /// Seconds between reports, whatever the verifier asks: for tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) report_seconds: Option<u64>,
    /// Checks that the person at the device may fix. Without it, IT fixes every check of a managed device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_may_fix: Option<Vec<String>>,
    /// Names that this device may tell the verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share_names: Option<ShareNames>,
    /// Asset tag, in the place of the firmware's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset_tag: Option<AssetTag>,
    /// Ways to reach IT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) support: Option<Support>,
    /// Name and look of the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organisation: Option<OrganisationLayer>,
    /// Appearance and loudness of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display: Option<Display>,
}

/// Names that the organisation lets this device tell the verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShareNames {
    #[default]
    None,
    HostName,
    AssetTag,
    Both,
}

/// Name and look of the organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrganisationLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) colour: Option<Colour>,
    /// A PNG file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logo: Option<PathBuf>,
}

/// Enrolment token in a file of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfiguredToken(pub(crate) Secret);

impl<'de> Deserialize<'de> for ConfiguredToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = ConfiguredToken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the enrolment token, as text in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                checked_token(text, || "enrolment-token".to_owned()).map(ConfiguredToken).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Word)
    }
}

impl Serialize for ConfiguredToken {
    /// Fails: a token is never written.
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("an enrolment token is not written"))
    }
}

/// Settings of a file, with the line of each.
#[derive(Debug, Default)]
pub(crate) struct ParsedFile {
    pub(crate) layer: ConfigLayer,
    /// Line by the setting's name.
    pub(crate) lines: BTreeMap<&'static str, usize>,
}

impl ConfigLayer {
    /// Parses and checks the text of a file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<ParsedFile, ConfigError> {
        let invalid = |span: Option<Range<usize>>, why: String| {
            let (line, column) = position(text, span.map_or(0, |span| span.start));
            ConfigError::Invalid { path: path.to_owned(), line, column, why }
        };
        // Without the input that `toml` would copy into its error.
        let table =
            DeTable::parse(text).map_err(|error| invalid(error.span(), error.message().to_owned()))?;
        let mut lines = BTreeMap::new();
        name_lines(table.get_ref(), text, &mut lines).map_err(|(span, why)| invalid(Some(span), why))?;
        let layer = Self::deserialize(toml::de::Deserializer::from(table))
            .map_err(|error| invalid(error.span(), error.message().to_owned()))?;
        layer.check().map_err(|(name, why)| {
            let line = lines.iter().find(|(it, _)| it.starts_with(name)).map_or(1, |(_, line)| *line);
            ConfigError::Invalid { path: path.to_owned(), line, column: 1, why }
        })?;
        Ok(ParsedFile { layer, lines })
    }

    /// Checks what the types allow. An error names the setting.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(url) = &self.verifier {
            checked_url(url).map_err(|error| ("verifier", error.to_string()))?;
        }
        if self.ca_file.is_some() && self.ca_certificates.is_some() {
            return Err(("ca-certificates", "set ca-file or ca-certificates, and not both".to_owned()));
        }
        if let Some(display) = &self.display {
            display.check().map_err(|error| ("display", error.to_string()))?;
        }
        let own = |change: fn(&mut Organisation, Organisation)| {
            let mut words = Organisation::default();
            change(&mut words, self.words());
            words.check().map_err(|error| error.to_string())
        };
        own(|it, words| it.user_may_fix = words.user_may_fix).map_err(|why| ("user-may-fix", why))?;
        own(|it, words| it.support = words.support).map_err(|why| ("support", why))?;
        own(|it, words| it.name = words.name).map_err(|why| ("organisation", why))
    }

    /// Replaces settings by those of a later file. A list and a table are replaced whole.
    pub(crate) fn replace_by(&mut self, later: Self) {
        // One trust anchor takes the place of the other.
        if later.trust_anchors().is_some() {
            self.ca_file = None;
            self.ca_certificates = None;
        }
        let Self {
            verifier,
            ca_file,
            ca_certificates,
            token_file,
            enrolment_token,
            key,
            state,
            socket,
            report_seconds,
            user_may_fix,
            share_names,
            asset_tag,
            support,
            organisation,
            display,
        } = later;
        fn replace<T>(before: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *before = later;
            }
        }
        replace(&mut self.verifier, verifier);
        replace(&mut self.ca_file, ca_file);
        replace(&mut self.ca_certificates, ca_certificates);
        replace(&mut self.token_file, token_file);
        replace(&mut self.enrolment_token, enrolment_token);
        replace(&mut self.key, key);
        replace(&mut self.state, state);
        replace(&mut self.socket, socket);
        replace(&mut self.report_seconds, report_seconds);
        replace(&mut self.user_may_fix, user_may_fix);
        replace(&mut self.share_names, share_names);
        replace(&mut self.asset_tag, asset_tag);
        replace(&mut self.support, support);
        replace(&mut self.organisation, organisation);
        replace(&mut self.display, display);
    }

    pub(crate) fn trust_anchors(&self) -> Option<TrustAnchors> {
        let certificates = self.ca_certificates.as_deref().map(|pem| TrustAnchors::Certificates(pem.into()));
        certificates.or_else(|| self.ca_file.clone().map(TrustAnchors::File))
    }

    /// Returns the organisation's words in these settings.
    pub(crate) fn words(&self) -> Organisation {
        let OrganisationLayer { name, colour, .. } = self.organisation.clone().unwrap_or_default();
        let support = self.support.clone().unwrap_or_default();
        Organisation {
            name,
            colour,
            support,
            user_may_fix: self.user_may_fix.clone(),
            ..Organisation::default()
        }
    }

    /// Returns the value of a setting as TOML; `None` if it is not set. A secret is hidden.
    pub(crate) fn shown(&self, name: &str) -> Option<String> {
        if name == "enrolment-token" {
            return self.enrolment_token.as_ref().map(|_| "(hidden)".to_owned());
        }
        let table = toml::Table::try_from(self).ok()?;
        let mut parts = name.split('.');
        let value = table.get(parts.next()?)?;
        parts.try_fold(value, |value, part| value.get(part)).map(ToString::to_string)
    }
}

/// Collects the line of each setting, and refuses a name that is not known.
fn name_lines(
    table: &DeTable<'_>,
    text: &str,
    lines: &mut BTreeMap<&'static str, usize>,
) -> Result<(), (Range<usize>, String)> {
    let mut open = vec![(String::new(), table)];
    while let Some((prefix, table)) = open.pop() {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            match (setting(&name), value.get_ref()) {
                (Some(setting), _) => {
                    lines.insert(setting.name, position(text, key.span().start).0);
                }
                (None, DeValue::Table(inner)) if is_table(&name) => open.push((format!("{name}."), inner)),
                // Deserialization reports the error.
                (None, _) if is_table(&name) => {}
                (None, _) => {
                    let meant =
                        suggestion(&name).map(|it| format!("; did you mean {it}?")).unwrap_or_default();
                    let name = name.escape_debug();
                    return Err((key.span(), format!("{name} is not a setting of this version{meant}")));
                }
            }
        }
    }
    Ok(())
}

/// Returns line and column of a byte, from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        ConfigLayer::parse(Path::new("/etc/x.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_and_column() {
        for (text, wanted) in [
            (
                "key = 'auto'\nverifer = 'https://v.example'",
                "/etc/x.toml:2:1: verifer is not a setting of this version; did you mean verifier?",
            ),
            (
                "# ü\n[support]\nphone = '1'\nfax = '2'",
                "/etc/x.toml:4:1: support.fax is not a setting of this version",
            ),
            ("support = {phone = '1', zzz = '2'}", "/etc/x.toml:1:25: support.zzz"),
            ("support = 1", "/etc/x.toml:1:11: "),
            ("key = 'auto'\nverifier = 'https://v.exa", "/etc/x.toml:2:"),
            ("key = 'auto'\n\nreport-seconds = 'x'", "/etc/x.toml:3:18: "),
            ("key = 'auto'\nverifier = 'http://v.example'", "/etc/x.toml:2:1: "),
            ("key = 'auto'\n[display]\nnight-volume = 101", "/etc/x.toml:3:1: "),
            ("key = 'auto'\nca-file = '/a'\nca-certificates = ''", "/etc/x.toml:3:1: set ca-file or"),
            ("user-may-fix = ['no check']", "/etc/x.toml:1:1: "),
            ("key = 'auto'\nshare-names = 'all'", "/etc/x.toml:2:15: "),
            ("key = 'auto'\nasset-tag = ''", "/etc/x.toml:2:13: an asset tag has"),
        ] {
            let error = error(text);
            assert!(error.starts_with(wanted), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn errors_and_output_hide_the_token() {
        let token = "vse_5ecre7";
        for text in [
            "enrolment-token = 'vse_5ecre7 x'",
            "enrolment-token = 'vse_5ecre7\nkey = 1",
            "enrolment-token = ['vse_5ecre7']",
            "enrolment-token = 'vse_5ecre7'\nx = 1",
            "enrolment-token = vse_5ecre7",
        ] {
            assert!(!error(text).contains("5ecre7"), "{}", error(text));
        }
        let layer =
            ConfigLayer::parse(Path::new("x"), &format!("enrolment-token = '{token}'")).unwrap().layer;
        assert_eq!(layer.enrolment_token.as_ref().unwrap().0.expose(), token.as_bytes());
        assert!(!format!("{layer:?}").contains(token));
        assert_eq!(toml::to_string(&layer).unwrap(), "");
        assert_eq!(layer.shown("enrolment-token").as_deref(), Some("(hidden)"));
    }

    #[test]
    fn later_file_replaces_tables_and_anchors_whole() {
        let parse = |text| ConfigLayer::parse(Path::new("x"), text).unwrap().layer;
        let mut layer = parse("ca-file = '/a'\nkey = 'auto'\n[support]\nname = 'a'\nphone = '1'");
        layer.replace_by(parse("ca-certificates = 'b'\n[support]\nphone = '2'"));
        assert_eq!(layer, parse("ca-certificates = 'b'\nkey = 'auto'\n[support]\nphone = '2'"));
        layer.replace_by(parse("ca-file = '/c'"));
        assert_eq!((layer.ca_certificates.as_ref(), layer.ca_file.is_some()), (None, true));
        assert_eq!(layer.shown("support.phone").as_deref(), Some("\"2\""));
        assert_eq!(layer.shown("support.name"), None);
    }
}
