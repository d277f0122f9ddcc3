//! The published schemas, `schemas/*.schema.json`: they are made from the types, and what is written follows them.
//!
//! `UPDATE_EXAMPLES=1 cargo test -p tunebench-reports schemas` writes them anew.

use proptest::prelude::*;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::render::json::Summary;
use crate::testing::{any_predictions, assert_recorded, run};
use crate::{Manifest, Report};

/// The schema of what is written, or of what is read.
fn schema<T: JsonSchema>(title: &str, settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), json!(title));
    let mut schema = schema.to_value();
    plain_descriptions(&mut schema);
    schema
}

/// Takes out what only the docs of the code can follow: links to other types, and the breaks of its lines.
fn plain_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = plain(description);
            }
            fields.values_mut().for_each(plain_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(plain_descriptions),
        _ => {}
    }
}

fn plain(docs: &str) -> String {
    let paragraphs: Vec<_> = docs.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    let docs = paragraphs.join("\n\n");
    let mut parts = docs.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("`]").unwrap();
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        plain.push_str(&format!("`{name}`{}", target.map_or(rest, |(_, rest)| rest)));
    }
    plain
}

fn summary() -> Value {
    schema::<Summary<'_>>("summary.json of tunebench", SchemaSettings::draft2020_12().for_serialize())
}

/// A field that an older tool did not write may be missing.
fn manifest() -> Value {
    schema::<Manifest>("manifest.json of tunebench", SchemaSettings::draft2020_12().for_deserialize())
}

fn assert_published(name: &str, schema: &Value) {
    assert_recorded(&format!("schemas/{name}"), &format!("{schema:#}\n"));
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    assert_published("summary.schema.json", &summary());
    assert_published("manifest.schema.json", &manifest());
}

fn assert_follows(validator: &jsonschema::Validator, text: &str) {
    let value: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_follows_them(
        base in any_predictions(4), tuned in any_predictions(4), margin in prop::option::of(0.01f64..0.5),
    ) {
        let mut run = run(&["a", "b", "c", "d"], vec![("m", None, base), ("t", Some("m"), tuned)]);
        run.manifest.min_coverage = 0.0;
        run.manifest.margin = margin;
        let validator = jsonschema::draft202012::new(&summary()).unwrap();
        assert_follows(&validator, &Summary::new(&Report::new(&run)).to_json());
        let validator = jsonschema::draft202012::new(&manifest()).unwrap();
        assert_follows(&validator, &run.manifest.to_json());
    }
}

#[test]
fn something_else_does_not_follow_them() {
    let run = run(&["a"], vec![]);
    let mut value: Value = serde_json::from_str(&run.manifest.to_json()).unwrap();
    let validator = jsonschema::draft202012::new(&manifest()).unwrap();
    assert!(validator.is_valid(&value));
    value["min_coverage"] = json!("much");
    assert!(!validator.is_valid(&value));
    assert!(!jsonschema::draft202012::new(&summary()).unwrap().is_valid(&json!({ "format_version": 1 })));
}
