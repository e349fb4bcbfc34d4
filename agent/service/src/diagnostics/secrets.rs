//! Removes what may be a secret, or a person's name, from free text: messages of other programs may quote what they were
//! given.

/// Replaces what was removed.
const REMOVED: &str = "<removed>";
const PEM_BEGIN: &str = "-----BEGIN";
const PEM_END: &str = "-----END";
/// Length from which a mixture of letters and digits counts as a secret: enrolment tokens have 16 characters or more, key
/// codes 12 without their dashes.
const MIN_SECRET: usize = 12;
/// Words after which a word with a digit is a secret, in lower case.
const ANNOUNCING: [&str; 6] = ["pin", "code", "token", "bearer", "password", "secret"];

/// Returns the text without these names, and without everything that looks like a token, a code, a PIN or a key.
pub(super) fn removed(text: &str, names: &[&str]) -> String {
    let mut text = without_pem(text);
    for name in names.iter().filter(|name| !name.trim().is_empty()) {
        text = text.replace(name, REMOVED);
    }
    let mut out = String::with_capacity(text.len());
    let mut announced = false;
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() {
            let secret = is_secret(word) || (announced && word.bytes().any(|c| c.is_ascii_digit()));
            out.push_str(if secret { REMOVED } else { word });
            announced = ANNOUNCING.contains(&word.to_ascii_lowercase().as_str());
        }
        let next = after.find(is_word).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        out.push_str(between);
        rest = after;
    }
    out
}

/// Characters of base64, base64url and codes. The parts of a path, an address and a JWT are separate words.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=' | '~')
}

fn is_secret(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    let is_group =
        |it: &&str| it.len() == 4 && it.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if groups.len() >= 3 && groups.iter().all(is_group) {
        return true;
    }
    // A hyphenated name is not a secret because it is long: each of its parts is judged, and the whole if it is no name.
    let is_name =
        |it: &&str| it.bytes().all(|c| c.is_ascii_lowercase()) || it.bytes().all(|c| c.is_ascii_digit());
    if groups.iter().all(is_name) {
        return false;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = word.bytes().filter(u8::is_ascii_lowercase).count();
    word.len() >= MIN_SECRET && (digits > 0 && upper + lower > 0 || upper > 1 && lower > 1)
}

fn without_pem(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, block)) = rest.split_once(PEM_BEGIN) {
        out.push_str(before);
        out.push_str(REMOVED);
        // A block without an end goes on to the end of the text.
        let end = block.split_once(PEM_END).and_then(|(_, after)| after.split_once("-----"));
        rest = end.map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_secrets_and_leaves_words() {
        for (text, shown) in [
            ("the token 4iMOJ6mBvnFhVAeO is not known", "the token <removed> is not known"),
            ("code RE1G-7ABC-9DEF; again re1g7abc9def", "code <removed>; again <removed>"),
            ("ABCD-EFGH-JKMN", "<removed>"),
            ("wrong PIN 123456, 7 attempts left", "wrong PIN <removed>, 7 attempts left"),
            ("PIN: 1234", "PIN: <removed>"),
            ("Bearer TtYf1_25U9rHgZQzkVgKaKguQi4SQWLx", "Bearer <removed>"),
            ("eyJhbGciOiJFUzI1NiJ9.eyJpYXQiOjE4MDB9.c2lnbmF0dXJl", "<removed>.<removed>.<removed>"),
            ("a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb", "a\n<removed>\nb"),
            ("-----BEGIN EC PRIVATE KEY-----\nMIIE", "<removed>"),
            ("asked nurse-7 to tap", "asked <removed> to tap"),
            (
                "https://verifier.example:8443 was not reached: connection refused (os error 111)",
                "https://verifier.example:8443 was not reached: connection refused (os error 111)",
            ),
            ("urn:vitalsign:problem:endorsement-untrusted", "urn:vitalsign:problem:endorsement-untrusted"),
            ("/var/lib/vitalsign/enrolment.toml 2026-11-29", "/var/lib/vitalsign/enrolment.toml 2026-11-29"),
            ("device 7ZA-3T9-KWJ, kernel 6.1.0-40-amd64", "device 7ZA-3T9-KWJ, kernel 6.1.0-40-amd64"),
        ] {
            assert_eq!(removed(text, &["nurse-7", ""]), shown);
        }
    }
}
