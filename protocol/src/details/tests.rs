use super::*;
use serde_json::json;

fn schema(value: Value) -> DetailsSchema {
    serde_json::from_value(value).unwrap()
}

/// A field with its own English label.
fn field(name: &str, kind: &str) -> Value {
    json!({"name": name, "kind": kind, "labels": {"en": format!("The {name}")}})
}

fn order() -> DetailsSchema {
    schema(json!({
        "labels": {"en": "Medication order", "de": "Verordnung"},
        "fields": [
            {"name": "patient", "kind": "text", "labels": {"en": "Patient", "fr": "Patient"}},
            {"name": "items", "kind": "list", "labels": {"en": "Drug", "de": "Arznei"}, "fields": [
                {"name": "name", "kind": "text", "labels": {"en": "Name"}},
                {"name": "dose", "kind": "quantity", "labels": {"en": "Dose", "de": "Dosis"}},
                {"name": "route", "kind": "code", "labels": {"en": "Route"}, "codes": ["PO", "IV"]},
            ]},
            {"name": "start", "kind": "date", "labels": {"en": "Start", "de": "Start am"}, "optional": true},
            {"name": "times", "kind": "list", "labels": {"en": "Time"}, "optional": true},
        ],
    }))
}

fn detail() -> Value {
    json!({
        "type": "medication_order",
        "patient": "20417",
        "items": [
            {"name": "heparin", "dose": {"value": 5000, "unit": "IU"}, "route": "IV"},
            {"name": "paracetamol", "dose": {"value": "0.5", "unit": "g"}, "route": "PO"},
        ],
        "start": "2026-11-30",
    })
}

fn lines(details: &Value, schemas: &BTreeMap<String, DetailsSchema>, language: &str) -> Vec<String> {
    let line = |row: DetailsRow| {
        let indent = "  ".repeat(usize::try_from(row.depth).unwrap());
        format!("{indent}{}{}", row.name, row.value.map(|it| format!(": {it}")).unwrap_or_default())
    };
    rows(details, schemas, language).into_iter().map(line).collect()
}

#[test]
fn labelled_rows_are_in_language_and_order() {
    let schemas = BTreeMap::from([("medication_order".to_owned(), order())]);
    let mut details = detail();
    details["times"] = json!(["08:00", "20:00"]);
    assert_eq!(
        lines(&json!([details]), &schemas, "de"),
        [
            "Verordnung: medication_order",
            // English, where German has none.
            "Patient: 20417",
            "Arznei 1",
            "  Name: heparin",
            "  Dosis: 5000 IU",
            "  Route: IV",
            "Arznei 2",
            "  Name: paracetamol",
            "  Dosis: 0.5 g",
            "  Route: PO",
            "Start am: 2026-11-30",
            "Time 1: 08:00",
            "Time 2: 20:00",
        ]
    );
    let other = json!({"type": "other", "note_text": "x"});
    assert_eq!(
        lines(&json!([other, detail()]), &schemas, "es")[..6],
        [
            "1",
            "  note text: x",
            "  type: other",
            "2",
            "  Medication order: medication_order",
            "  Patient: 20417"
        ]
    );
}

#[test]
fn schema_hides_nothing_that_is_signed() {
    // A device refuses such details; should they come this far, everything is shown all the same.
    let schemas = BTreeMap::from([("medication_order".to_owned(), order())]);
    let odd = json!([{
        "type": "medication_order",
        "patient": {"name": "A", "value": 1, "unit": "B"},
        "items": "C",
        "start": ["D", {"x": "E"}],
        "times": [["F"], "G"],
        "unknown": "H",
    }]);
    let lines = lines(&odd, &schemas, "en").join("\n");
    for value in ["A", "1", "B", "C", "D", "E", "F", "G", "H"] {
        assert!(lines.contains(&format!(": {value}")), "{value} is not in {lines}");
    }
}

#[test]
fn details_without_schema_have_all_rows() {
    let none = BTreeMap::new();
    let order = json!([{
        "type": "medication_order",
        "order": 4711,
        "items": [
            {"name": "heparin", "dose": "5000 IU", "times": ["08:00", "20:00"]},
            {"name": "paracetamol", "dose": "1 g"},
        ],
        "patient": {"record_number": "20417", "consent": true},
        "replaces": null,
    }]);
    let lines = |details: &Value| lines(details, &none, "en");
    let of_order = lines(&order);
    for line in [
        "type: medication_order",
        "order: 4711",
        "items 1",
        "  name: heparin",
        "  times: 08:00, 20:00",
        "items 2",
        "  dose: 1 g",
        "patient",
        "  record number: 20417",
        "  consent: true",
        "replaces: –",
    ] {
        assert!(of_order.iter().any(|it| it == line), "{line} is not in {of_order:#?}");
    }
    assert_eq!(of_order.len(), 13);
    assert_eq!(lines(&json!([{"a": 1}, {"a": 2}])), ["1", "  a: 1", "2", "  a: 2"]);
    assert_eq!(lines(&json!([["x"], ["y", "z"]])), ["1: x", "2: y, z"]);
    assert_eq!(lines(&json!({"empty": {}, "none": []})), ["empty: –", "none: –"]);
    assert_eq!(lines(&json!({"blank": "  ", "dots": "\u{2800}\u{2800}"})), ["blank: –", "dots: –"]);
    assert_eq!(lines(&json!("text")), [": text"]);
    let steering = lines(&json!([{"no\u{202e}te": "a\nb\u{1b}"}]));
    assert!(!steering.join("").contains(['\u{202e}', '\u{1b}', '\n']), "{steering:?}");
}

#[test]
fn details_have_the_members_of_their_schema() {
    let order = order();
    assert_eq!(order.check(), Ok(()));
    assert_eq!(order.check_detail(&detail()), Ok(()));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut detail = detail();
        change(&mut detail);
        order.check_detail(&detail).unwrap_err().to_string()
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: &[(Change<'_>, &str)] = &[
        (&|it| it["hidden"] = json!("x"), "a member that"),
        (&|it| it["items"][1]["note"] = json!("x"), "a member that"),
        (&|it| it["items"][0]["type"] = json!("x"), "a member that"),
        (&|it| drop(it.as_object_mut().unwrap().remove("patient")), "member patient is missing"),
        (&|it| drop(it["items"][1].as_object_mut().unwrap().remove("dose")), "member items.dose is missing"),
        (&|it| it["items"] = json!([]), "member items is not a list with one"),
        (&|it| it["items"] = json!({}), "member items is not a list with one"),
        (&|it| it["items"][0] = json!("heparin"), "member items is not a list of objects"),
        (&|it| it["items"][0]["route"] = json!("po"), "member items.route is not an accepted code"),
        (&|it| it["patient"] = json!(" "), "member patient is not a text"),
        (&|it| it["patient"] = json!(["x"]), "member patient is not a text"),
        (&|it| it["patient"] = json!(1.5), "member patient is not a text"),
        (&|it| it["patient"] = json!(null), "member patient is not a text"),
        (&|it| it["patient"] = json!("a\u{202e}b"), "member patient is not a text"),
        (&|it| it["times"] = json!(["08:00", null]), "member times is not a list of texts"),
    ];
    for (change, wanted) in cases {
        let error = changed(change);
        assert!(error.starts_with(wanted) || error.contains(wanted), "{error}: {wanted}");
    }
    assert!(order.check_detail(&json!("medication_order")).is_err());
}

#[test]
fn quantities_and_dates_have_one_reading() {
    let kinds = |kind: &str| schema(json!({"labels": {"en": "X"}, "fields": [field("x", kind)]}));
    let fits =
        |kind: &str, value: &Value| kinds(kind).check_detail(&json!({"type": "t", "x": value})).is_ok();
    for value in [json!(5), json!(0.5), json!("0.5"), json!("1000"), json!(-3), json!("0")] {
        assert!(fits("quantity", &json!({"value": value, "unit": "mg"})), "{value}");
    }
    for value in [
        json!(1.0),
        json!("1.0"),
        json!(".5"),
        json!("5."),
        json!("05"),
        json!("1e3"),
        json!(1e30),
        json!("-0"),
        json!("1,5"),
        json!("+1"),
        json!(""),
        json!(null),
        json!("٥"),
    ] {
        assert!(!fits("quantity", &json!({"value": value, "unit": "mg"})), "{value}");
    }
    for unit in [json!(""), json!(" "), json!("0 mg"), json!(1), json!("m\u{200b}g")] {
        assert!(!fits("quantity", &json!({"value": 1, "unit": unit})), "{unit}");
    }
    for odd in [json!({"value": 1}), json!({"value": 1, "unit": "mg", "per": "h"}), json!("1 mg"), json!(1)] {
        assert!(!fits("quantity", &odd), "{odd}");
    }
    for date in [
        "2026-11-30",
        "1932-02-29",
        "2026-11-30T08:00:00Z",
        "2026-11-30T08:00:00.5+01:00",
        "2016-12-31T23:59:60Z",
    ] {
        assert!(fits("date", &json!(date)), "{date}");
    }
    for date in [
        "30.11.2026",
        "11/30/2026",
        "2026-11-31",
        "1900-02-29",
        "2026-1-1",
        "26-11-30",
        "2026-11-30-01",
        "2026-11-30T",
        "2026-11-30T08:00Z",
        "2026-11-30T08:00:00",
        "2026-11-30 08:00:00Z",
        "2026-11-30T24:00:00Z",
        "2026-11-30T08:00:00+1:00",
        "2026-11-30T08:00:00.Z",
        "+026-11-30",
        "2026-11-3\u{e9}",
        "",
    ] {
        assert!(!fits("date", &json!(date)), "{date}");
    }
    assert!(fits("code", &json!("N02BE01")));
    assert!(!fits("code", &json!("two words")) && !fits("code", &json!("")) && !fits("code", &json!(7)));
}

#[test]
fn hostile_schemas_are_refused() {
    let with = |fields: Value| json!({"labels": {"en": "X"}, "fields": fields});
    let labelled = |labels: Value| with(json!([{"name": "a", "kind": "text", "labels": labels}]));
    let many: Vec<_> = (0..33).map(|number| field(&format!("f{number}"), "text")).collect();
    let languages: BTreeMap<_, _> = (b'a'..=b'i').map(|it| (format!("{}n", char::from(it)), "X")).collect();
    let long_codes = vec!["x".repeat(64); 50];
    let nested = json!({
        "name": "a", "kind": "list", "labels": {"en": "A"}, "fields": [
            {"name": "b", "kind": "list", "labels": {"en": "B"}},
        ],
    });
    for (wrong, what) in [
        (with(json!([])), "1 to 32 fields"),
        (with(json!(many)), "1 to 32 fields"),
        (with(json!([field("a b", "text")])), "field 1"),
        (with(json!([field("d\u{43e}se", "text")])), "field 1"),
        (with(json!([field("type", "text")])), "field 1"),
        (with(json!([field("a", "text"), field("a", "date")])), "field 2"),
        (with(json!([field(&"a".repeat(65), "text")])), "field 1"),
        (labelled(json!({})), "labels must"),
        (labelled(json!({"de": "Dosis"})), "labels must"),
        (labelled(json!({"en": ""})), "labels must"),
        (labelled(json!({"en": " Dose"})), "labels must"),
        (labelled(json!({"en": "x".repeat(41)})), "labels must"),
        (labelled(json!({"en": "Dose", "de": "D\u{202e}osis"})), "labels must"),
        (labelled(json!({"en": "Dose", "de": "Dose\n5 mg"})), "labels must"),
        (labelled(json!({"en": "Dose", "de": "\u{200b}"})), "labels must"),
        (labelled(json!({"en": "Dose", "../de": "x"})), "labels must"),
        (labelled(json!(languages)), "labels must"),
        (json!({"labels": {"en": "\u{2066}"}, "fields": [field("a", "text")]}), "the type: labels"),
        (
            with(json!([
                {"name": "old", "kind": "text", "labels": {"en": "Old dose", "de": "Dosis"}},
                {"name": "new", "kind": "text", "labels": {"en": "New dose", "de": "DOSIS"}},
            ])),
            "new: another field has this label in language de",
        ),
        (
            // By falling back to English.
            with(json!([
                {"name": "old", "kind": "text", "labels": {"en": "Dose"}},
                {"name": "new", "kind": "text", "labels": {"en": "New", "de": "Dose"}},
            ])),
            "another field has this label in language de",
        ),
        (with(json!([nested])), "a list within a list"),
        (
            with(json!([{"name": "a", "kind": "text", "labels": {"en": "A"}, "codes": ["x"]}])),
            "only the kind code",
        ),
        (with(json!([{"name": "a", "kind": "code", "labels": {"en": "A"}, "codes": ["x y"]}])), "one word"),
        (
            with(json!([{"name": "a", "kind": "code", "labels": {"en": "A"}, "codes": vec!["x"; 65]}])),
            "64 codes",
        ),
        (
            with(
                json!([{"name": "a", "kind": "date", "labels": {"en": "A"}, "fields": [field("b", "text")]}]),
            ),
            "only the kind list",
        ),
        (
            with(json!([{"name": "a", "kind": "code", "labels": {"en": "A"}, "codes": long_codes}])),
            "bytes as JSON",
        ),
    ] {
        let error = schema(wrong.clone()).check().unwrap_err().to_string();
        assert!(error.contains(what), "{error}: {wrong}");
        assert!(is_plain(&error), "{error:?}");
    }
    for wrong in [
        json!({"labels": {"en": "X"}}),
        json!({"labels": {"en": "X"}, "fields": [], "html": "<b>"}),
        with(json!([{"name": "a", "kind": "html", "labels": {"en": "A"}}])),
        with(json!([{"name": "a", "kind": "text", "labels": {"en": "A"}, "value": "10 mg"}])),
        with(json!([{"name": "a", "kind": "text", "labels": "A"}])),
    ] {
        assert!(serde_json::from_value::<DetailsSchema>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn transaction_needs_details_that_fit() {
    let schemas = |name: &str| BTreeMap::from([(name.to_owned(), order())]);
    let details = json!([detail(), {"type": "other", "x": {}}]);
    assert_eq!(check_details(Some(&details), &schemas("medication_order")), Ok(()));
    assert_eq!(check_details(None, &BTreeMap::new()), Ok(()));
    assert_eq!(check_details(None, &schemas("medication_order")), Err("a schema has no details"));
    assert_eq!(check_details(Some(&details), &schemas("Medication_order")), Err("a schema has no details"));
    assert_eq!(check_details(Some(&details), &schemas("other")), Err("details do not fit their schema"));
    // Each of several, and not the first alone.
    let mut second = detail();
    second["hidden"] = json!("x");
    let both = json!([detail(), second]);
    assert_eq!(
        check_details(Some(&both), &schemas("medication_order")),
        Err("details do not fit their schema")
    );
    let mut steering = order();
    steering.fields[0].labels.0.insert("de".to_owned(), "\u{202e}".to_owned());
    let steering = BTreeMap::from([("medication_order".to_owned(), steering)]);
    assert_eq!(check_details(Some(&details), &steering), Err("a schema cannot be used"));
}
