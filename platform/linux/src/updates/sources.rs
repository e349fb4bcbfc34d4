//! apt's sources.list(5), in both its forms: which archives are enabled, and under which names apt keeps what it fetched
//! from them.

use super::paragraphs::field;
use crate::Root;
use crate::apt_conf::is_read;
use vitalsign_protocol::fact::Reason;

/// One enabled suite of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    /// Begin of the names of its files in apt's lists, up to `InRelease`.
    pub(super) base: String,
    /// The name says that the suite is for security updates.
    pub(super) is_security: bool,
}

/// Every enabled suite of binary packages. None when the system has no list of sources.
///
/// # Errors
/// When a list of sources cannot be read.
pub(super) fn suites(root: &Root, architecture: &str) -> Result<Option<Vec<Suite>>, Reason> {
    let mut lists: Vec<String> = root.text_if_there("/etc/apt/sources.list")?.into_iter().collect();
    let mut stanzas = Vec::new();
    for name in root.names("/etc/apt/sources.list.d")? {
        let path = format!("/etc/apt/sources.list.d/{name}");
        if is_read(&name, Some("list"), false) {
            lists.push(root.text(path)?);
        } else if is_read(&name, Some("sources"), false) {
            stanzas.push(root.text(path)?);
        }
    }
    if lists.is_empty() && stanzas.is_empty() {
        return Ok(None);
    }
    let mut suites = Vec::new();
    for line in lists.iter().flat_map(|text| text.lines()) {
        suites.extend(one_line(line).map(|(uri, suite)| named(&uri, &suite, architecture)));
    }
    for stanza in stanzas.iter().flat_map(|text| paragraphs(text)) {
        for uri in words(&stanza, "URIs") {
            suites.extend(words(&stanza, "Suites").iter().map(|suite| named(&uri, suite, architecture)));
        }
    }
    Ok(Some(suites))
}

/// `deb [signed-by=…] http://deb.debian.org/debian bookworm main`: address and suite.
fn one_line(line: &str) -> Option<(String, String)> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    // Discs are not asked again, and are no source of updates.
    (!uri.starts_with("cdrom:")).then(|| (uri.to_owned(), suite.to_owned()))
}

/// Enabled stanzas for binary packages, with continued lines joined and without comments.
fn paragraphs(text: &str) -> Vec<String> {
    let mut stanzas = vec![String::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let last = stanzas.pop().unwrap_or_default();
        if line.trim().is_empty() {
            stanzas.extend([last, String::new()]);
        } else if line.starts_with([' ', '\t']) {
            stanzas.push(format!("{} {}\n", last.trim_end(), line.trim()));
        } else {
            stanzas.push(format!("{last}{line}\n"));
        }
    }
    stanzas.retain(|stanza| {
        let enabled = field(stanza, "Enabled").unwrap_or("yes").to_ascii_lowercase();
        // apt's StringToBool.
        let off = matches!(enabled.as_str(), "no" | "false" | "without" | "off" | "disable" | "0");
        !off && words(stanza, "Types").iter().any(|kind| kind == "deb")
    });
    stanzas
}

fn words(stanza: &str, name: &str) -> Vec<String> {
    let value = stanza.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value)
    });
    value.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

fn named(uri: &str, suite: &str, architecture: &str) -> Suite {
    let with = |text: &str| text.replace("$(ARCH)", architecture);
    let (uri, suite) = (with(uri), with(suite));
    let slash = if uri.ends_with('/') { "" } else { "/" };
    let address = match suite.as_str() {
        "/" => format!("{uri}{slash}"),
        exact if exact.ends_with('/') => format!("{uri}{slash}{exact}"),
        suite => format!("{uri}{slash}dists/{suite}/"),
    };
    // Debian up to 10 has `buster/updates`.
    let is_security = suite.ends_with("-security") || suite.ends_with("/updates") && uri.contains("security");
    Suite { base: file_name(&address), is_security }
}

/// Names an address as apt does: without scheme and password, `/` as `_`, and what is special quoted.
fn file_name(address: &str) -> String {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    let rest = match rest.strip_prefix("//") {
        Some(rest) => {
            let (site, path) = rest.split_once('/').unwrap_or((rest, ""));
            let site = site.rsplit_once('@').map_or(site, |(_, site)| site);
            format!("{site}/{path}")
        }
        None => rest.to_owned(),
    };
    let mut name = String::with_capacity(rest.len());
    for byte in decoded(&rest) {
        match byte {
            b'/' => name.push('_'),
            b'\\' | b'|' | b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'"' | b'^' | b'~' | b'_' | b'='
            | b'!' | b'@' | b'#' | b'$' | b'%' | b'&' | b'*' => name.push_str(&format!("%{byte:02x}")),
            0..=0x20 | 0x7f.. => name.push_str(&format!("%{byte:02x}")),
            byte => name.push(char::from(byte)),
        }
    }
    name
}

/// Undoes `%20`.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().iter();
    let mut out = Vec::with_capacity(text.len());
    while let Some(&byte) = bytes.next() {
        let hex = |at: usize| bytes.as_slice().get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                bytes.nth(1);
            }
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Option<Vec<Suite>> {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = tree.path().join("etc/apt").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        suites(&Root::at(tree.path()), "amd64").unwrap()
    }

    /// The names as `apt-get --print-uris update` of apt 2.6.1 gives them.
    #[test]
    fn lists_have_the_names_that_apt_gives_them() {
        for (line, base) in [
            ("deb http://h/u t main", "h_u_dists_t_"),
            (
                "deb [arch=amd64 signed-by=/k.gpg] http://u:p@127.0.0.1:8765/a_b/~x s-security main",
                "127.0.0.1:8765_a%5fb_%7ex_dists_s-security_",
            ),
            ("deb http://h/u s/updates main", "h_u_dists_s_updates_"),
            ("deb http://h/u/ ./", "h_u_._"),
            ("deb https://h:80/x%20y/ /", "h:80_x%20y_"),
            ("deb file:/srv/repo b-security main", "_srv_repo_dists_b-security_"),
            (
                "deb mirror+file:/etc/apt/mirrors/d.list bookworm-security main",
                "_etc_apt_mirrors_d.list_dists_bookworm-security_",
            ),
            ("deb http://h/$(ARCH) t main # comment", "h_amd64_dists_t_"),
        ] {
            let suites = of(&[("sources.list", line)]).unwrap();
            assert_eq!(suites.iter().map(|suite| suite.base.as_str()).collect::<Vec<_>>(), [base], "{line}");
        }
        for line in [
            "deb-src http://h/u t main",
            "# deb http://h/u t main",
            "deb cdrom:[Debian 12]/ bookworm main",
            "",
        ] {
            assert_eq!(of(&[("sources.list", line)]), Some(vec![]), "{line}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn enabled_stanzas_only() {
        let text = "Types: deb deb-src\nURIs: http://a/x\n  http://b/y/\nSuites: s-security t\n# no\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: http://c/x\nSuites: s-security\n\n\
                    Types: deb-src\nURIs: http://d/x\nSuites: s-security\n\n\
                    types: deb\nuris: http://e/x\nsuites: flat/\nEnabled: yes\n";
        let files = [
            ("sources.list.d/a.sources", text),
            ("sources.list.d/b.sources.save", text),
            ("sources.list.d/c.list.disabled", "deb http://f/x s-security main"),
        ];
        let suites = of(&files).unwrap();
        let found: Vec<_> = suites.iter().map(|suite| (suite.base.as_str(), suite.is_security)).collect();
        assert_eq!(
            found,
            [
                ("a_x_dists_s-security_", true),
                ("a_x_dists_t_", false),
                ("b_y_dists_s-security_", true),
                ("b_y_dists_t_", false),
                ("e_x_flat_", false),
            ]
        );
    }
}
