//! Values of `authorization_details` by kind.

use super::{DetailsError, DetailsField, FieldKind, MAX_NAME_BYTES};
use crate::calendar;
use crate::text::is_plain;
use serde_json::Value;

/// Checks the members of an object. `constant` is a member that the fields do not list; `within` precedes names in errors.
pub(super) fn check_members(
    fields: &[DetailsField],
    object: &Value,
    constant: Option<&str>,
    within: &str,
) -> Result<(), DetailsError> {
    let Some(members) = object.as_object() else {
        return Err(DetailsError::Kind(within.trim_end_matches('.').to_owned(), "a list of objects"));
    };
    for field in fields {
        match members.get(&field.name) {
            Some(value) => check(field, value, &format!("{within}{}", field.name))?,
            None if field.optional => {}
            None => return Err(DetailsError::Missing(format!("{within}{}", field.name))),
        }
    }
    let known = |name: &str| Some(name) == constant || fields.iter().any(|field| field.name == name);
    if members.keys().all(|name| known(name)) { Ok(()) } else { Err(DetailsError::Unknown) }
}

fn check(field: &DetailsField, value: &Value, name: &str) -> Result<(), DetailsError> {
    let (fits, kind) = match field.kind {
        FieldKind::Text => (is_text(value), "a text that is not blank, or an integer"),
        FieldKind::Quantity => (
            quantity(value).is_some(),
            "a quantity: value, a decimal number without exponent and trailing zeros, and unit",
        ),
        FieldKind::Date => {
            (value.as_str().is_some_and(is_date), "a date like 2026-11-30 or a date and time of RFC 3339")
        }
        FieldKind::Code => {
            let accepted = |code: &str| {
                is_code(code) && (field.codes.is_empty() || field.codes.iter().any(|it| it == code))
            };
            (value.as_str().is_some_and(accepted), "an accepted code")
        }
        FieldKind::List => return check_list(field, value, name),
    };
    if fits { Ok(()) } else { Err(DetailsError::Kind(name.to_owned(), kind)) }
}

fn check_list(field: &DetailsField, value: &Value, name: &str) -> Result<(), DetailsError> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let Some(items) = items else {
        return Err(DetailsError::Kind(name.to_owned(), "a list with one item or more"));
    };
    if field.fields.is_empty() {
        let texts = items.iter().all(is_text);
        return if texts { Ok(()) } else { Err(DetailsError::Kind(name.to_owned(), "a list of texts")) };
    }
    items.iter().try_for_each(|item| check_members(&field.fields, item, None, &format!("{name}.")))
}

fn is_text(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text) && !text.trim().is_empty(),
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// Returns whether a text is one word.
pub(super) fn is_code(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && is_plain(text) && !text.contains(char::is_whitespace)
}

/// Returns number and unit of a quantity as they are displayed.
pub(super) fn quantity(value: &Value) -> Option<(String, &str)> {
    let members = value.as_object().filter(|members| members.len() == 2)?;
    let number = match members.get("value")? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let unit = members.get("unit")?.as_str()?;
    // A digit there would read as a part of the number.
    let named = is_plain(unit) && !unit.trim().is_empty() && !unit.starts_with(|c: char| c.is_numeric());
    (is_decimal(&number) && named).then_some((number, unit))
}

/// Returns whether a number is written in one way only: `0.5` and `10`, but not `.5`, `10.0`, `010`, `1e1`, `-0`.
fn is_decimal(text: &str) -> bool {
    let positive = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = positive.split_once('.').map_or((positive, None), |(it, rest)| (it, Some(rest)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|it| digits(it) && !it.ends_with('0'))
        && text != "-0"
}

/// Returns whether a text is a `full-date` or a `date-time` of RFC 3339 section 5.6.
fn is_date(text: &str) -> bool {
    match text.split_once('T') {
        None => is_full_date(text),
        Some((date, time)) => is_full_date(date) && is_full_time(time),
    }
}

fn is_full_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').zip([4, 2, 2]).map(|(part, length)| digits(part, length)).collect();
    let [Some(year), Some(month), Some(day)] = parts.as_slice() else { return false };
    if text.len() != "2026-11-30".len() {
        return false;
    }
    // The calendar repeats after 400 years, and the function knows none before 1970.
    calendar::seconds(2000 + year % 400, *month, *day).is_some()
}

fn is_full_time(text: &str) -> bool {
    let Some(offset) = text.find(['Z', '+', '-']) else { return false };
    let (time, offset) = text.split_at(offset);
    let (whole, fraction) = time.split_once('.').map_or((time, None), |(it, rest)| (it, Some(rest)));
    let within = |text: &str, most: &[u64]| {
        let parts: Vec<_> = text.split(':').map(|part| digits(part, 2)).collect();
        parts.len() == most.len()
            && parts.iter().zip(most).all(|(part, most)| part.is_some_and(|part| part <= *most))
    };
    // A leap second is a valid time.
    within(whole, &[23, 59, 60])
        && fraction
            .is_none_or(|it| (1..=9).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_digit()))
        && (offset == "Z" || offset.strip_prefix(['+', '-']).is_some_and(|it| within(it, &[23, 59])))
}

/// Parses exactly so many digits.
fn digits(text: &str, length: usize) -> Option<u64> {
    let exact = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    exact.then(|| text.parse().ok()).flatten()
}
