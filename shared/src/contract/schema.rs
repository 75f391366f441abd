//! The messages as JSON Schema, from their types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::Message;

/// The schema of a message as readers take it: with its header, and without what they do not need. Fields that it does not name
/// are ignored.
#[must_use]
pub fn of<M: Message + JsonSchema>(description: &str) -> Value {
    let mut schema = generated::<M>(SchemaSettings::draft2020_12().for_deserialize());
    // A reader may take another type, which has the names of the fields, and this one their meanings.
    let written = generated::<M>(SchemaSettings::draft2020_12().for_serialize());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            let meaning = written.get("properties").and_then(|properties| properties.get(name)?.get("description"));
            if let (Some(property), Some(meaning)) = (property.as_object_mut(), meaning) {
                property.insert("description".to_owned(), meaning.clone());
            }
        }
        properties.insert("schema".to_owned(), json!({ "const": M::SCHEMA }));
        properties.insert("version".to_owned(), json!({ "const": M::VERSION }));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.splice(0..0, [json!("schema"), json!("version")]);
    }
    schema.insert("title".to_owned(), json!(format!("{}, version {}", M::SCHEMA, M::VERSION)));
    schema.insert("description".to_owned(), json!(description));
    Value::Object(schema)
}

fn generated<M: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let mut schema: Schema = settings.into_generator().into_root_schema_for::<M>();
    std::mem::take(schema.ensure_object())
}
