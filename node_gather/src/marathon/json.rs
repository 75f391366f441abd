//! Reads JSON of Marathon as a stream: unknown fields are skipped, and no text is kept longer than it can be used.

use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};
use shared::text::{MAX_REMOTE_CHARS, clip};
use thiserror::Error;

/// Why an answer has not the form that Marathon sends. The answer may be of anything, even of the request with its credentials:
/// no text of it is repeated but the names of applications.
#[derive(Debug, Error)]
#[error("{}", clip(.0, MAX_REMOTE_CHARS))]
pub struct Malformed(String);

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self(clip(&without_strings(&error.to_string()), MAX_REMOTE_CHARS))
    }
}

/// The sentence of a parser without the strings that it quotes: `invalid type: string "...", expected u32`.
fn without_strings(sentence: &str) -> String {
    match (sentence.find(": string \""), sentence.rfind("\", expected ")) {
        (Some(start), Some(end)) if start < end => {
            let (before, after) =
                (sentence.get(..start).unwrap_or_default(), sentence.get(end + 1..).unwrap_or_default());
            format!("{before}: a string{after}")
        }
        _ => sentence.to_owned(),
    }
}

/// What is wrong with a value, in a few words.
pub(super) fn problem(error: &serde_json::Error) -> String {
    let sentence = without_strings(&error.to_string());
    let (what, _position) = sentence.rsplit_once(" at line ").unwrap_or((&sentence, ""));
    let words = [("map, ", "an object, "), ("sequence, ", "a list, "), ("expected f64", "expected a number")];
    let what = words.iter().fold(what.to_owned(), |what, (theirs, own)| what.replace(theirs, own));
    let got = ["invalid type: ", "invalid value: "].iter().find_map(|start| what.strip_prefix(start));
    clip(&got.map_or_else(|| what.clone(), |got| format!("got {got}")), MAX_REMOTE_CHARS / 2)
}

/// Reads a whole document.
pub(super) fn read<T>(
    body: impl Read,
    value: impl for<'de> DeserializeSeed<'de, Value = T>,
) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(body));
    let value = value.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// A name of at most so many characters. Marathon's ids are parts of file names, so a longer one has no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

const MAX_NAME_CHARS: usize = 1000;

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(clip(text, MAX_NAME_CHARS)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A text, or a number that stands for one: `5` for `"5"`.
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(clip(text, MAX_NAME_CHARS)))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Reads a list item by item into an accumulator, so that only what it keeps stays in memory.
pub(super) struct Each<T, A, F> {
    into: A,
    add: F,
    item: PhantomData<T>,
}

impl<T, A, F: FnMut(&mut A, T) -> Result<(), String>> Each<T, A, F> {
    pub(super) fn new(into: A, add: F) -> Self {
        Self { into, add, item: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, A, F: FnMut(&mut A, T) -> Result<(), String>> DeserializeSeed<'de> for Each<T, A, F> {
    type Value = A;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<A, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, A, F: FnMut(&mut A, T) -> Result<(), String>> Visitor<'de> for Each<T, A, F> {
    type Value = A;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<A, S::Error> {
        while let Some(item) = list.next_element()? {
            (self.add)(&mut self.into, item).map_err(S::Error::custom)?;
        }
        Ok(self.into)
    }
}

/// The value of the one field of an object that counts; every other field is skipped.
pub(super) struct Field<S>(pub(super) &'static str, pub(super) S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Field<S> {
    type Value = S::Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Field<S> {
    type Value = S::Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.0)
    }
    fn visit_map<M: de::MapAccess<'de>>(self, mut object: M) -> Result<S::Value, M::Error> {
        let Self(name, value) = self;
        let (mut value, mut found) = (Some(value), None);
        while let Some(key) = object.next_key::<std::borrow::Cow<'_, str>>()? {
            match value.take() {
                Some(seed) if key == name => found = Some(object.next_value_seed(seed)?),
                None if key == name => return Err(M::Error::duplicate_field(name)),
                seed => {
                    value = seed;
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        found.ok_or_else(|| M::Error::missing_field(name))
    }
}
