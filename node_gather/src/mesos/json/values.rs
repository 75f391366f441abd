//! Attributes and resources: objects with arbitrary keys, and values of any type.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use shared::resources::Kind;

use super::lenient::{AnyForm, Form};
use crate::mesos::state::{Attributes, RawResources};

/// One value of an attribute or a resource. Mesos writes scalars as numbers, ranges and sets as strings.
enum Value {
    Number(f64),
    Text(String),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyForm(AnyValue))
    }
}

struct AnyValue;

impl Form<'_> for AnyValue {
    type Value = Value;

    fn other(self, found: &'static str) -> Value {
        Value::Other(found)
    }

    fn string(self, text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn number(self, number: f64) -> Value {
        Value::Number(number)
    }

    fn boolean(self, value: bool) -> Value {
        Value::Other(if value { "true" } else { "false" })
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = Attributes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = Attributes::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let text = match value {
                        Value::Number(number) => number.to_string(),
                        Value::Text(text) => text,
                        Value::Other(text) => text.to_owned(),
                    };
                    attributes.push(&name, &text);
                }
                Ok(attributes)
            }
        }
        deserializer.deserialize_map(ByName)
    }
}

/// The name of a resource; `None` for one that is not read.
struct Name(Option<Kind>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a resource")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(Kind::from_name(name)))
            }
        }
        deserializer.deserialize_identifier(Text)
    }
}

impl<'de> Deserialize<'de> for RawResources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = RawResources;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with resources")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawResources, A::Error> {
                let mut resources = RawResources::default();
                let mut seen = Vec::new();
                while let Some(Name(kind)) = map.next_key()? {
                    let Some(kind) = kind else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if seen.contains(&kind) {
                        resources.repeat(kind);
                    }
                    seen.push(kind);
                    match map.next_value()? {
                        Value::Number(units) => resources.number(kind, units),
                        Value::Text(text) => resources.refuse(kind, &format!("{text:?}")),
                        Value::Other(text) => resources.refuse(kind, text),
                    }
                }
                Ok(resources)
            }
        }
        deserializer.deserialize_map(ByName)
    }
}
