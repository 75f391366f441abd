//! Reads JSON of Marathon as a stream: unknown fields are skipped, and no text is kept longer than it can be used.

use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
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

/// A type of which a value of another type ends no document: what stands in its place is said.
pub(super) trait Loose: Sized {
    const EXPECTED: &'static str;

    fn of_null() -> Option<Self> {
        None
    }

    fn of_text(_: &str) -> Option<Self> {
        None
    }

    fn of_number(_: String) -> Option<Self> {
        None
    }

    fn of_list<'de, S: SeqAccess<'de>>(mut list: S) -> Result<Result<Self, String>, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(instead::<Self>("a list")))
    }

    fn of_object<'de, M: MapAccess<'de>>(mut object: M) -> Result<Result<Self, String>, M::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err(instead::<Self>("an object")))
    }
}

fn instead<T: Loose>(found: impl fmt::Display) -> String {
    format!("got {found}, expected {}", T::EXPECTED)
}

/// A value, or what is wrong with it.
pub(super) struct Lenient<T>(pub(super) Result<T, String>);

impl<'de, T: Loose> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<T: Loose> Any<T> {
            fn read<E>(value: Option<T>, found: impl fmt::Display) -> Result<Lenient<T>, E> {
                Ok(Lenient(value.ok_or_else(|| instead::<T>(found))))
            }
        }
        impl<'de, T: Loose> Visitor<'de> for Any<T> {
            type Value = Lenient<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Lenient<T>, E> {
                Self::read(T::of_null(), "null")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Lenient<T>, E> {
                Self::read(None, Unexpected::Bool(value))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), Unexpected::Unsigned(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), Unexpected::Signed(number))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), Unexpected::Float(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Lenient<T>, E> {
                Self::read(T::of_text(text), "a string")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<Lenient<T>, S::Error> {
                T::of_list(list).map(Lenient)
            }
            fn visit_map<M: MapAccess<'de>>(self, object: M) -> Result<Lenient<T>, M::Error> {
                T::of_object(object).map(Lenient)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl Loose for Name {
    const EXPECTED: &'static str = "a string";
    fn of_text(text: &str) -> Option<Self> {
        Some(Self(clip(text, MAX_NAME_CHARS)))
    }
}

/// A text, or a number that stands for one: `5` for `"5"`.
pub(super) struct Text(pub(super) String);

impl Loose for Text {
    const EXPECTED: &'static str = "a string";
    fn of_text(text: &str) -> Option<Self> {
        Some(Self(clip(text, MAX_NAME_CHARS)))
    }
    fn of_number(number: String) -> Option<Self> {
        Some(Self(number))
    }
}

impl Loose for Option<Text> {
    const EXPECTED: &'static str = Text::EXPECTED;
    fn of_null() -> Option<Self> {
        Some(None)
    }
    fn of_text(text: &str) -> Option<Self> {
        Text::of_text(text).map(Some)
    }
    fn of_number(number: String) -> Option<Self> {
        Text::of_number(number).map(Some)
    }
}

/// The value of a field that an object has at most once.
pub(super) struct Once<T> {
    name: &'static str,
    value: Option<Result<T, String>>,
}

impl<T> Once<T> {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, value: None }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn map<U>(self, of: impl FnOnce(T) -> U) -> Once<U> {
        let Self { name, value } = self;
        Once { name, value: value.map(|value| value.map(of)) }
    }

    pub(super) fn set(&mut self, Lenient(value): Lenient<T>) {
        self.value = Some(match self.value {
            None => value,
            Some(_) => Err("it occurs twice".to_owned()),
        });
    }

    pub(super) fn required(self) -> Result<T, String> {
        let Self { name, value } = self;
        value.ok_or_else(|| format!("{name} is missing"))?.map_err(|problem| format!("{name}: {problem}"))
    }

    pub(super) fn or_default(self) -> Result<T, String>
    where
        T: Default,
    {
        if self.value.is_some() { self.required() } else { Ok(T::default()) }
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
    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<S::Value, M::Error> {
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
