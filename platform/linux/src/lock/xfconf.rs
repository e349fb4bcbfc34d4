//! Xfconf channels (`docs/spec/perchannel-xml.txt` of xfconf), which hold the settings of xfce4-screensaver: the user's
//! file over the system's, unless the system's file locks the channel or a property.

use super::Settings;
use super::desktop::has_program;
use crate::Root;
use std::path::Path;
use vitalsign_protocol::fact::Reason;

/// The power manager's channel. While its property `presentation-mode` is true, it keeps the screensaver from starting.
const POWER: &str = "xfce4/xfconf/xfce-perchannel-xml/xfce4-power-manager.xml";
const PRESENTATION: &str = "xfce4-power-manager/presentation-mode";
/// The channel's file, below the system's and the user's folder of settings.
const FILE: &str = "xfce4/xfconf/xfce-perchannel-xml/xfce4-screensaver.xml";
const SYSTEM: &str = "/etc/xdg";
/// Defaults of xfce4-screensaver: minutes until the session is idle, and until it then locks.
const DELAY: u64 = 5;
const GRACE: u64 = 0;
/// It takes smaller delays than a minute for this many minutes.
const DELAY_FOR_NONE: u64 = 10;
/// The longest delay that it accepts in minutes.
const MAX_DELAY: u64 = 480;

/// Settings that no user can change.
pub(super) fn enforced(root: &Root) -> Result<Settings, Reason> {
    let channel = channel(root, Path::new(SYSTEM), FILE)?;
    let layers = Layers { system: &channel, user: None };
    Ok(layers.settings())
}

/// Settings as they are in force for a user with this folder of settings.
pub(super) fn of_user(root: &Root, settings: &Path) -> Result<Settings, Reason> {
    let system = channel(root, Path::new(SYSTEM), FILE)?;
    let user = channel(root, settings, FILE)?;
    let screensaver = Layers { system: &system, user: Some(&user) }.settings();
    if !has_program(root, "xfce4-power-manager") {
        return Ok(screensaver);
    }
    let system = channel(root, Path::new(SYSTEM), POWER)?;
    let user = channel(root, settings, POWER)?;
    let power = Layers { system: &system, user: Some(&user) };
    let presents = power.get(PRESENTATION).flatten().is_some_and(|(_, value)| value == "true");
    Ok(if presents { Settings { locks: Some(Ok(false)), ..screensaver } } else { screensaver })
}

/// A channel's file in a folder of settings. One that is absent or empty sets nothing.
fn channel(root: &Root, folder: &Path, file: &str) -> Result<XfconfChannel, Reason> {
    match root.text_if_there(folder.join(file))? {
        Some(text) if !text.is_empty() => XfconfChannel::parse(&text),
        _ => Ok(XfconfChannel::default()),
    }
}

#[derive(Debug, Default)]
struct XfconfChannel {
    locked: bool,
    properties: Vec<Property>,
}

#[derive(Debug)]
struct Property {
    /// Names with slashes between them, in lower case: names ignore case.
    path: String,
    /// Type and value; none of type `empty`.
    value: Option<(String, String)>,
    locked: bool,
}

impl XfconfChannel {
    /// Parses a file. Only elements and attributes that xfconf itself writes are understood.
    fn parse(text: &str) -> Result<Self, Reason> {
        let (mut channel, mut seen) = (Self::default(), false);
        let mut open: Vec<String> = Vec::new();
        for tag in tags(text)? {
            if tag.starts_with("/property") {
                open.pop().ok_or(Reason::Malformed)?;
            } else if let Some(rest) = tag.strip_prefix("property") {
                let attributes = attributes(rest.trim_end_matches('/'))?;
                let get = |name: &str| attributes.iter().find(|(known, _)| *known == name).map(|(_, v)| *v);
                open.push(get("name").ok_or(Reason::Malformed)?.to_ascii_lowercase());
                let value = match (get("type"), get("value")) {
                    (Some("empty" | "array") | None, _) => None,
                    (Some(kind), Some(value)) => Some((kind.to_owned(), value.to_owned())),
                    (Some(_), None) => return Err(Reason::Malformed),
                };
                let locked = is_locked(get("unlocked"));
                channel.properties.push(Property { path: open.join("/"), value, locked });
                if rest.ends_with('/') {
                    open.pop();
                }
            } else if let Some(rest) = tag.strip_prefix("channel") {
                let attributes = attributes(rest.trim_end_matches('/'))?;
                let get = |name: &str| attributes.iter().find(|(known, _)| *known == name).map(|(_, v)| *v);
                channel.locked = is_locked(get("unlocked"));
                seen = true;
            }
        }
        if seen && open.is_empty() { Ok(channel) } else { Err(Reason::Malformed) }
    }

    fn get(&self, path: &str) -> Option<&Property> {
        // Of several, the last counts.
        self.properties.iter().rev().find(|property| property.path == path)
    }
}

/// The tags of a file without comments, each without its angle brackets.
fn tags(text: &str) -> Result<Vec<&str>, Reason> {
    let (mut tags, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once('<') {
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        let (tag, after) = after.split_once(end).ok_or(Reason::Malformed)?;
        if !tag.starts_with(['!', '?']) {
            tags.push(tag.trim());
        }
        rest = after;
    }
    Ok(tags)
}

/// Attributes of a tag, in double or single quotes.
fn attributes(text: &str) -> Result<Vec<(&str, &str)>, Reason> {
    let (mut attributes, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(Reason::Malformed)?;
        let after = after.trim_start();
        let quote =
            after.chars().next().filter(|quote| ['"', '\''].contains(quote)).ok_or(Reason::Malformed)?;
        let (value, after) = after.get(1..).and_then(|it| it.split_once(quote)).ok_or(Reason::Malformed)?;
        attributes.push((name.trim(), value));
        rest = after.trim_start();
    }
    Ok(attributes)
}

/// Returns whether the list of users who may change a value locks out all but root. The list of those who may not,
/// `locked`, is not read: it says nothing about other users, and xfconf knows no word for all.
fn is_locked(unlocked: Option<&str>) -> bool {
    let Some(unlocked) = unlocked.filter(|users| !users.is_empty()) else { return false };
    unlocked.split(';').all(|user| user.is_empty() || user == "root")
}

/// The files of a channel: the system's, and the user's, if it is known.
struct Layers<'a> {
    system: &'a XfconfChannel,
    user: Option<&'a XfconfChannel>,
}

/// Value of a property: that of a file, or the program's default.
type LockedSetting<'a> = Option<&'a (String, String)>;

impl Layers<'_> {
    /// The value in force; `None` if the user decides, and the user's file is unknown.
    fn get(&self, path: &str) -> Option<LockedSetting<'_>> {
        let system = self.system.get(path);
        if self.system.locked || system.is_some_and(|property| property.locked) {
            return Some(system.and_then(|property| property.value.as_ref()));
        }
        let own = self.user?.get(path);
        Some(own.or(system).and_then(|property| property.value.as_ref()))
    }

    fn switch(&self, path: &str) -> Option<Result<bool, Reason>> {
        Some(match self.get(path)?.map(|(kind, value)| (kind.as_str(), value.as_str())) {
            None | Some(("bool", "true")) => Ok(true),
            Some(("bool", "false")) => Ok(false),
            Some(_) => Err(Reason::Malformed),
        })
    }

    /// Minutes, as the program limits them; `none` means less than `least`.
    fn minutes(&self, path: &str, default: u64, least: i64, none: u64) -> Option<Result<u64, Reason>> {
        let minutes = match self.get(path)? {
            None => Ok(default),
            Some((kind, value)) if kind == "int" => match value.parse::<i64>() {
                Ok(value) if value < least => Ok(none),
                Ok(value) => u64::try_from(value).map_err(|_| Reason::Malformed),
                Err(_) => Err(Reason::Malformed),
            },
            Some(_) => Err(Reason::Malformed),
        };
        Some(minutes.map(|minutes| minutes.min(MAX_DELAY) * 60))
    }

    fn settings(&self) -> Settings {
        let switches = [
            "saver/enabled",
            "saver/idle-activation/enabled",
            "lock/enabled",
            "lock/saver-activation/enabled",
        ]
        .map(|path| self.switch(path));
        let no = switches.contains(&Some(Ok(false)));
        let locks = if no {
            Some(Ok(false))
        } else {
            // All have to be on: the first that is open or not understood decides.
            switches.into_iter().find(|switch| *switch != Some(Ok(true))).unwrap_or(Some(Ok(true)))
        };
        Settings {
            locks,
            idle: self.minutes("saver/idle-activation/delay", DELAY, 1, DELAY_FOR_NONE),
            grace: self.minutes("lock/saver-activation/delay", GRACE, 0, 0),
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings with this channel as the system's and this one as the user's.
    fn read(system: &str, user: Option<&str>) -> Result<Settings, Reason> {
        let parse = |text: &str| XfconfChannel::parse(&format!("<?xml version=\"1.0\"?>\n{text}"));
        let (system, user) = (parse(system)?, user.map(parse).transpose()?);
        Ok(Layers { system: &system, user: user.as_ref() }.settings())
    }
    fn settings(locks: bool, idle: u64, grace: u64) -> Settings {
        Settings {
            locks: Some(Ok(locks)),
            idle: Some(Ok(idle)),
            grace: Some(Ok(grace)),
            ..Settings::default()
        }
    }
    /// A channel with this attribute, this delay and this switch.
    fn channel(attribute: &str, delay: &str, enabled: &str) -> String {
        format!(
            "<channel name=\"xfce4-screensaver\" version=\"1.0\"{attribute}>\n  <!-- <property name=\"lock\"> -->\n  \
             <property name=\"saver\" type=\"empty\"><property name=\"Idle-Activation\" type=\"empty\">\
             <property name=\"delay\" type=\"int\" value=\"{delay}\"/></property></property>\n  \
             <property name='lock' type='empty'><property name='enabled' type='bool' value='{enabled}'/></property>\
             </channel>"
        )
    }

    #[test]
    fn locked_channel_hides_the_users() {
        let user = channel("", "60", "false");
        for (attribute, is_enforced) in [
            (" unlocked=\"root\"", true),
            (" locked=\"*\" unlocked=\"root\"", true),
            (" locked=\"root\" unlocked=\"root;\"", true),
            ("", false),
            (" locked=\"nurse;@staff\"", false),
            // xfconf compares names: there is no user of this name.
            (" locked=\"*\"", false),
            (" unlocked=\"root;nurse\"", false),
            (" unlocked=\"@staff\"", false),
            (" unlocked=\"\"", false),
        ] {
            let system = channel(attribute, "10", "true");
            let (alone, with_user) = (read(&system, None).unwrap(), read(&system, Some(&user)).unwrap());
            if is_enforced {
                assert_eq!(
                    (alone, with_user),
                    (settings(true, 600, 0), settings(true, 600, 0)),
                    "{attribute}"
                );
            } else {
                assert_eq!(
                    (alone, with_user),
                    (Settings::default(), settings(false, 3600, 0)),
                    "{attribute}"
                );
            }
        }
    }

    #[test]
    fn locked_property_is_enforced_alone() {
        let locked = "<property name=\"enabled\" type=\"bool\" value=\"false\" unlocked=\"root\"/>";
        let of = |inner: &str| {
            format!("<channel name=\"x\"><property name=\"lock\" type=\"empty\">{inner}</property></channel>")
        };
        let on = of("<property name=\"enabled\" type=\"bool\" value=\"true\"/>");
        let seen = read(&of(locked), None).unwrap();
        assert_eq!(seen, Settings { locks: Some(Ok(false)), ..Settings::default() });
        assert_eq!(read(&of(locked), Some(&on)).unwrap(), settings(false, 300, 0));
        // A parent's lock is not its children's.
        let parent = "<channel name=\"x\"><property name=\"lock\" type=\"empty\" unlocked=\"root\">\
                      <property name=\"enabled\" type=\"bool\" value=\"false\"/></property></channel>";
        assert_eq!(read(parent, None).unwrap(), Settings::default());
    }

    #[test]
    fn limits_and_words_of_the_locker() {
        for (delay, enabled, expected) in [
            ("0", "true", settings(true, 600, 0)),
            ("-5", "true", settings(true, 600, 0)),
            ("9999", "true", settings(true, 480 * 60, 0)),
            ("five", "true", Settings { idle: Some(Err(Reason::Malformed)), ..settings(true, 0, 0) }),
            ("5", "yes", Settings { locks: Some(Err(Reason::Malformed)), ..settings(true, 300, 0) }),
        ] {
            let user = channel("", delay, enabled);
            assert_eq!(read("<channel/>", Some(&user)).unwrap(), expected, "{delay} {enabled}");
        }
        let text = channel("", "5", "false").replace("type='bool'", "type='string'");
        assert_eq!(read("<channel/>", Some(&text)).unwrap().locks, Some(Err(Reason::Malformed)));
        for damaged in [
            "",
            "<channel",
            "<channel><property name=\"a\"></channel>",
            "<channel a></channel>",
            "</property>",
        ] {
            assert_eq!(XfconfChannel::parse(damaged).unwrap_err(), Reason::Malformed, "{damaged}");
        }
    }
}
