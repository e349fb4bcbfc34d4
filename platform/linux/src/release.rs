//! os-release(5): name, version, build, end of support.

use crate::{Root, date};
use std::collections::BTreeMap;
use vitalsign_protocol::fact::{Fact, MAX_TEXT, Reason};
use vitalsign_protocol::posture::{Os, Posture};

/// The fields of os-release.
///
/// # Errors
/// When neither `/etc/os-release` nor `/usr/lib/os-release` can be read.
pub fn fields(root: &Root) -> Result<BTreeMap<String, String>, Reason> {
    let text = match root.text("/etc/os-release") {
        Ok(text) => text,
        Err(_) => root.text("/usr/lib/os-release")?,
    };
    Ok(assignments(&text))
}

/// `NAME=value` lines of a shell's variables, with or without quotes.
pub(crate) fn assignments(text: &str) -> BTreeMap<String, String> {
    let assignment = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let value = match quoted('"') {
            Some(value) => unescape(value),
            None => quoted('\'').unwrap_or(value).to_owned(),
        };
        (!name.starts_with('#')).then(|| (name.to_owned(), value))
    };
    text.lines().filter_map(assignment).collect()
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn read(root: &Root, has_esm: HasEsm) -> Result<Os, Reason> {
    let fields = fields(root)?;
    let field =
        |name: &str| fields.get(name).filter(|value| !value.is_empty() && value.len() <= MAX_TEXT).cloned();
    // Debian's point release is in a separate file.
    let point = || {
        let text = root.text_if_there("/etc/debian_version").ok().flatten();
        text.filter(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.len() <= MAX_TEXT)
    };
    let name = field("ID").unwrap_or_else(|| "linux".to_owned());
    let build = field("BUILD_ID").or_else(|| field("IMAGE_VERSION")).or_else(|| field("OSTREE_VERSION"));
    let build = build.or_else(|| if name == "debian" { point() } else { None });
    Ok(Os {
        name: Fact::Known(name),
        version: Fact::or_unsupported(field("VERSION_ID")),
        build: Fact::or_unsupported(build),
        support_ends: support_ends(root, &fields, has_esm),
        ..Os::default()
    })
}

/// Returns whether the maker's support is known to go on.
pub(crate) fn is_supported(root: &Root, has_esm: HasEsm, now: u64) -> bool {
    let ends = fields(root).map(|fields| support_ends(root, &fields, has_esm));
    ends.is_ok_and(|ends| ends.known().is_some_and(|ends| *ends > now))
}

/// The code name of the release of Debian or Ubuntu that the system is, or is made from.
pub(crate) fn codename(root: &Root) -> Option<String> {
    let fields = fields(root).ok()?;
    let get = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    let is_own = matches!(fields.get("ID").map(String::as_str), Some("debian" | "ubuntu"));
    get("UBUNTU_CODENAME")
        .or_else(|| get("DEBIAN_CODENAME"))
        .or_else(|| get("VERSION_CODENAME").filter(|_| is_own))
}

/// Returns whether Ubuntu's extended maintenance is subscribed to and fetched.
type HasEsm = fn(&Root) -> Result<bool, Reason>;

/// Last days of releases whose makers do not write them on the system: `NAME`, `VERSION_ID`, day
/// (<https://www.centos.org/centos-linux-eol/>, <https://www.centos.org/cl-vs-cs/>).
const LAST_DAYS: [(&str, &str, &str); 4] = [
    ("CentOS Linux", "7", "2024-06-30"),
    ("CentOS Linux", "8", "2021-12-31"),
    ("CentOS Stream", "8", "2024-05-31"),
    ("CentOS Stream", "9", "2027-05-31"),
];
/// SUSE's description of the installed system, and the folder of those of all products.
const BASE_PRODUCT: &str = "/etc/products.d/baseproduct";
const PRODUCTS: &str = "/etc/products.d";

/// The last day of the maker's support: from os-release, on SUSE from its products, on Debian and Ubuntu from the table of
/// all their releases, else from our table.
fn support_ends(root: &Root, fields: &BTreeMap<String, String>, has_esm: HasEsm) -> Fact<u64> {
    let day = match fields.get("SUPPORT_END").filter(|day| !day.is_empty()) {
        Some(day) => Ok(Some(day.clone())),
        None if root.exists(BASE_PRODUCT) => suse(root),
        None => distro_info(root, fields, has_esm).map(|day| day.or_else(|| last_day(fields))),
    };
    match day.map(|day| day.map(|day| date::iso(&day))) {
        Ok(Some(Some(day))) => Fact::Known(day),
        Ok(Some(None)) => Fact::Unreadable(Reason::Malformed),
        Ok(None) => Fact::Unsupported,
        Err(reason) => Fact::Unreadable(reason),
    }
}

fn last_day(fields: &BTreeMap<String, String>) -> Option<String> {
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|found| found == value);
    let mut rows =
        LAST_DAYS.iter().filter(|(name, version, _)| is("NAME", name) && is("VERSION_ID", version));
    rows.next().map(|(.., day)| (*day).to_owned())
}

/// The last day of support of SUSE's system, or of a subscription that prolongs it (LTSS), as their makers say it in
/// `endoflife`. What they say of the whole code stream is no service pack's.
fn suse(root: &Root) -> Result<Option<String>, Reason> {
    let end = |text: String| {
        let own = match text.split_once("<codestream>") {
            Some((before, rest)) => [before, rest.split_once("</codestream>").unwrap_or_default().1].concat(),
            None => text,
        };
        let (_, rest) = own.split_once("<endoflife>")?;
        let day = rest.split('<').next().unwrap_or_default().trim();
        (!day.is_empty()).then(|| day.to_owned())
    };
    let Some(mut last) = end(root.text(BASE_PRODUCT)?) else { return Ok(None) };
    for name in root.names(PRODUCTS)?.iter().filter(|name| name.ends_with("-LTSS.prod")) {
        // Days in this form are in the order of their text.
        last = end(root.text(format!("{PRODUCTS}/{name}"))?).map_or(last.clone(), |day| last.max(day));
    }
    Ok(Some(last))
}

/// The last day of support in distro-info-data's table, if it lists this release.
fn distro_info(
    root: &Root,
    fields: &BTreeMap<String, String>,
    has_esm: HasEsm,
) -> Result<Option<String>, Reason> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    // A derivative that names the release it is made from is supported no longer than that.
    let (table, codename) = match field("ID") {
        "ubuntu" => ("ubuntu", field("VERSION_CODENAME")),
        "debian" => ("debian", field("VERSION_CODENAME")),
        _ if !field("UBUNTU_CODENAME").is_empty() => ("ubuntu", field("UBUNTU_CODENAME")),
        _ if !field("DEBIAN_CODENAME").is_empty() => ("debian", field("DEBIAN_CODENAME")),
        _ => return Ok(None),
    };
    let Some(text) = root.text_if_there(format!("/usr/share/distro-info/{table}.csv"))? else {
        return Ok(None);
    };
    let mut rows = text.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let header = rows.next().unwrap_or_default();
    let column = |row: &[&str], name: &str| {
        let at = header.iter().position(|column| *column == name)?;
        row.get(at).map(|value| (*value).to_owned()).filter(|value| !value.is_empty())
    };
    let version = field("VERSION_ID");
    let is_this = |row: &Vec<&str>| match codename {
        "" => column(row, "version").is_some_and(|found| found.split(' ').next() == Some(version)),
        codename => column(row, "series").as_deref() == Some(codename),
    };
    let Some(row) = rows.find(is_this) else { return Ok(None) };
    // Debian's long-term support comes from the archive that every system uses; Ubuntu's has to be subscribed to.
    let longest = match table {
        "debian" => column(&row, "eol-lts"),
        _ if has_esm(root)? => column(&row, "eol-esm"),
        _ => None,
    };
    Ok(longest.or_else(|| column(&row, "eol")))
}

pub(super) fn put(posture: &mut Posture, seen: Result<Os, Reason>) {
    let os = &mut posture.os;
    match seen {
        Ok(seen) => {
            (os.name, os.version, os.build, os.support_ends) =
                (seen.name, seen.version, seen.build, seen.support_ends);
        }
        Err(reason) => {
            os.name = Fact::Unreadable(reason);
            os.version = Fact::Unreadable(reason);
            os.build = Fact::Unreadable(reason);
            os.support_ends = Fact::Unreadable(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_variables() {
        let text = "ID=debian\n# NAME=no\nA=\"x \\\"y\\\" \\$z\"\nB='it'\nC=\nnonsense\n D=1\n";
        let fields = assignments(text);
        for (name, value) in [("ID", "debian"), ("A", "x \"y\" $z"), ("B", "it"), ("C", ""), ("D", "1")] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(fields.len(), 5);
    }

    #[test]
    fn support_ends_as_the_tables_say() {
        const UBUNTU: &str = "version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy\n\
            18.04 LTS,Bionic Beaver,bionic,2017-10-19,2018-04-26,2023-05-31,2023-05-31,2028-04-01,2030-04-26\n\
            23.10,Mantic Minotaur,mantic,2023-04-20,2023-10-12,2024-07-11\n";
        const DEBIAN: &str = "version,codename,series,created,release,eol,eol-lts,eol-elts\n\
            10,Buster,buster,2017-06-17,2019-07-06,2022-09-10,2024-06-30,2029-06-30\n\
            14,Forky,forky,2025-08-09\n,Sid,sid,1993-08-16\n";
        const INFRA: &str =
            "var/lib/apt/lists/esm.ubuntu.com_infra_ubuntu_dists_bionic-infra-security_InRelease";
        const ESM: &str = "Origin: UbuntuESM\nLabel: UbuntuESM\nSuite: bionic-infra-security\n";
        const NEVER: &str = "Package: *\nPin: release o=UbuntuESM, n=bionic\nPin-Priority: never\n";
        let day = |day: &str| Fact::Known(date::iso(day).unwrap());
        let bionic = "ID=ubuntu\nVERSION_ID=18.04\nVERSION_CODENAME=bionic\n";
        type Files<'a> = &'a [(&'a str, &'a str)];
        const LEAP: &str = "<product>\n  <version>15.6</version>\n  <endoflife>2025-12-31</endoflife>\n  <codestream>\n\
            <endoflife>2031-07-31</endoflife>\n  </codestream>\n</product>\n";
        const SLE: &str = "<product><endoflife></endoflife><codestream><endoflife>2031-07-31</endoflife></codestream></product>";
        const LTSS: &str = "<product><endoflife>2028-12-31</endoflife></product>";
        const BASE: &str = "etc/products.d/baseproduct";
        let rows: [(&str, Files<'_>, Fact<u64>); 19] = [
            (bionic, &[], day("2023-05-31")),
            ("ID=ubuntu\nVERSION_ID=\"18.04\"\n", &[], day("2023-05-31")),
            (
                "ID=linuxmint\nVERSION_ID=19\nVERSION_CODENAME=tara\nUBUNTU_CODENAME=bionic\n",
                &[],
                day("2023-05-31"),
            ),
            ("ID=ubuntu\nVERSION_CODENAME=mantic\n", &[], day("2024-07-11")),
            (bionic, &[(INFRA, ESM)], day("2028-04-01")),
            // Ubuntu lists its ESM suites without a subscription too.
            (bionic, &[(INFRA, ESM), ("etc/apt/preferences.d/ubuntu-esm-infra", NEVER)], day("2023-05-31")),
            ("ID=debian\nVERSION_CODENAME=buster\n", &[], day("2024-06-30")),
            ("ID=debian\nVERSION_CODENAME=forky\n", &[], Fact::Unsupported),
            ("ID=ubuntu\nVERSION_CODENAME=future\n", &[], Fact::Unsupported),
            ("ID=ubuntu\nVERSION_CODENAME=bionic\nSUPPORT_END=2025-01-31\n", &[], day("2025-01-31")),
            ("ID=fedora\nSUPPORT_END=soon\n", &[], Fact::Unreadable(Reason::Malformed)),
            ("ID=opensuse-leap\n", &[(BASE, LEAP)], day("2025-12-31")),
            ("ID=sles\n", &[(BASE, SLE)], Fact::Unsupported),
            ("ID=sles\n", &[(BASE, LEAP), ("etc/products.d/SLES-LTSS.prod", LTSS)], day("2028-12-31")),
            ("ID=opensuse-tumbleweed\n", &[(BASE, "<product><endoflife/></product>")], Fact::Unsupported),
            ("NAME=\"CentOS Linux\"\nVERSION_ID=\"8\"\n", &[], day("2021-12-31")),
            ("NAME=\"CentOS Stream\"\nVERSION_ID=\"8\"\n", &[], day("2024-05-31")),
            ("NAME=\"CentOS Stream\"\nVERSION_ID=\"10\"\n", &[], Fact::Unsupported),
            ("NAME=\"Red Hat Enterprise Linux\"\nVERSION_ID=\"8\"\n", &[], Fact::Unsupported),
        ];
        for (release, files, expected) in rows {
            let tree = tempfile::tempdir().unwrap();
            let tables = [
                ("etc/os-release", release),
                ("usr/share/distro-info/ubuntu.csv", UBUNTU),
                ("usr/share/distro-info/debian.csv", DEBIAN),
            ];
            for (path, text) in tables.iter().chain(files) {
                let path = tree.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let seen = read(&Root::at(tree.path()), crate::updates::apt::has_esm).unwrap().support_ends;
            assert_eq!(seen, expected, "{release} {files:?}");
        }
    }
}
