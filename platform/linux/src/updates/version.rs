//! Debian's order of versions: policy manual, section 5.6.12.

use std::cmp::Ordering;

/// Compares versions `[epoch:]upstream[-revision]`.
#[must_use]
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    let epoch = left.0.cmp(&right.0);
    epoch.then_with(|| part(left.1, right.1)).then_with(|| part(left.2, right.2))
}

/// Epoch, upstream version, revision. An absent revision is as good as `0`.
fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => epoch.parse().map_or((0, version), |epoch| (epoch, rest)),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Compares one part: alternately non-digits by character and digits as a number.
fn part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (words_left, words_right) = (take(&mut left, false), take(&mut right, false));
        for at in 0..words_left.len().max(words_right.len()) {
            let order = weight(words_left.get(at)).cmp(&weight(words_right.get(at)));
            if order.is_ne() {
                return order;
            }
        }
        let (number_left, number_right) = (number(take(&mut left, true)), number(take(&mut right, true)));
        let order = number_left.len().cmp(&number_right.len()).then_with(|| number_left.cmp(number_right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// A tilde sorts before even the end, letters before everything else.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => u16::from(*byte),
        Some(byte) => u16::from(*byte) + 256,
    }
}

fn take<'a>(text: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let length = text.iter().position(|byte| byte.is_ascii_digit() != digits).unwrap_or(text.len());
    let (taken, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
    *text = rest;
    taken
}

/// A number of any length without its leading zeros.
fn number(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_order() {
        for (left, order, right) in [
            ("1.0", "=", "1.0"),
            ("1.0", "=", "1.0-0"),
            ("1.0", "=", "0:1.0"),
            ("1.0", "=", "1.00"),
            ("1.0-1", "<", "1.0-2"),
            ("1.9", "<", "1.10"),
            ("2:1.0", ">", "1:9.9"),
            ("1:1.0", ">", "9.9"),
            ("1.0~rc1", "<", "1.0"),
            ("1.0~~", "<", "1.0~"),
            ("1.0~~a", "<", "1.0~"),
            ("1.0~rc1", ">", "1.0~beta2"),
            ("1.0a", ">", "1.0"),
            ("1.0a", "<", "1.0+"),
            ("1.0a", "<", "1.0.1"),
            ("1.0Z", "<", "1.0a"),
            ("1.0-1~bpo12+1", "<", "1.0-1"),
            ("1.0-1+deb12u1", ">", "1.0-1"),
            ("1.0-1+b2", "<", "1.0-1+deb12u1"),
            ("12.4+deb12u11", "<", "12.4+deb12u15"),
            ("1.1.1n-0+deb11u5", "<", "3.0.11-1~deb12u2"),
            ("6.1.0-9", "<", "6.1.0-37"),
            ("1:4.13+dfsg1-1+deb12u1", "<", "1:4.13+dfsg1-1+deb12u2"),
            ("99999999999999999999999999", "<", "100000000000000000000000000"),
            ("2.4.7-1", "<", "2.4.7-z"),
            ("", "<", "1"),
            ("", ">", "~"),
        ] {
            let expected = match order {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(compare(left, right), expected, "{left} {order} {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} against {left}");
        }
    }

    #[test]
    fn the_same_order_as_dpkg() {
        let versions =
            ["1.0", "1.0~a", "1:0", "1.0-1", "1.0-1.1", "1.0+x", "1.0.a", "1.0a-1~b", "0~~1", "1-1-1"];
        for (left, right) in versions.iter().flat_map(|l| versions.iter().map(move |r| (l, r))) {
            let mut dpkg = std::process::Command::new("dpkg");
            let Ok(status) = dpkg.args(["--compare-versions", left, "lt", right]).status() else {
                eprintln!("no dpkg here to compare with");
                return;
            };
            assert_eq!(compare(left, right).is_lt(), status.success(), "{left} < {right}");
        }
    }
}
