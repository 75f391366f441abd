//! Reads JSON of Marathon as a stream: unknown fields are skipped, and no text is kept longer than it can be used.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, de};
use shared::text::{MAX_REMOTE_CHARS, clip};
use thiserror::Error;

/// Of more items of a list that cannot be read, the list is none of Marathon.
pub(super) const MAX_ODD: usize = 1000;

/// The application of an item without a name.
pub(super) const UNKNOWN: &str = "(unknown)";

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

/// Reads a whole document; `None` where it has more than so many bytes.
pub(super) fn read<T>(
    body: impl Read,
    limit: usize,
    value: impl for<'de> DeserializeSeed<'de, Value = T>,
) -> Option<Result<T, Malformed>> {
    // One byte more tells a document that is too large from one that ends there.
    let mut body = body.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1));
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(&mut body));
    let value = value.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    (body.limit() > 0).then(|| value.map_err(Malformed::from))
}

/// A name of at most so many characters. Marathon's ids are parts of file names, so a longer one has no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

const MAX_NAME_CHARS: usize = 1000;

/// A type of which a value of another type ends no document: what stands in its place is said.
pub(super) trait Loose: Sized {
    const EXPECTED: &'static str;

    fn of_text(_: &str) -> Option<Self> {
        None
    }

    fn of_number(_: String) -> Option<Self> {
        None
    }

    fn of_bool(_: bool) -> Option<Self> {
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
                Self::read(None, "null")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Lenient<T>, E> {
                Self::read(T::of_bool(value), Unexpected::Bool(value))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), Unexpected::Unsigned(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), Unexpected::Signed(number))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Lenient<T>, E> {
                Self::read(T::of_number(number.to_string()), format_args!("floating point `{number:?}`"))
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

impl Loose for f64 {
    const EXPECTED: &'static str = "a number";
    fn of_number(number: String) -> Option<Self> {
        number.parse().ok()
    }
}

impl Loose for bool {
    const EXPECTED: &'static str = "true or false";
    fn of_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Loose for Timestamp {
    const EXPECTED: &'static str = "a time";
    fn of_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The value of a field that an object has at most once; `null` equals an absent one.
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

    pub(super) fn set(&mut self, value: Option<Lenient<T>>) {
        let Some(Lenient(value)) = value else { return };
        self.value = Some(match self.value {
            None => value,
            Some(_) => Err("it occurs twice".to_owned()),
        });
    }

    pub(super) fn optional(self) -> Result<Option<T>, String> {
        let Self { name, value } = self;
        value.transpose().map_err(|problem| format!("{name}: {problem}"))
    }

    pub(super) fn required(self) -> Result<T, String> {
        let name = self.name;
        self.optional()?.ok_or_else(|| format!("{name} is missing"))
    }

    pub(super) fn or_default(self) -> Result<T, String>
    where
        T: Default,
    {
        self.optional().map(Option::unwrap_or_default)
    }
}

/// A value as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Partly<T> {
    /// What can be read of it.
    pub(super) value: T,
    /// What is wrong with another part, the first of several.
    pub(super) problem: Option<String>,
}

impl<T> From<T> for Partly<T> {
    fn from(value: T) -> Self {
        Self { value, problem: None }
    }
}

impl<T> Partly<T> {
    pub(super) fn map<U>(self, of: impl FnOnce(T) -> U) -> Partly<U> {
        Partly { value: of(self.value), problem: self.problem }
    }

    /// Together with another part.
    pub(super) fn and<U, V>(self, other: Partly<U>, both: impl FnOnce(T, U) -> V) -> Partly<V> {
        Partly { value: both(self.value, other.value), problem: self.problem.or(other.problem) }
    }

    /// All of it, or what is wrong with a part.
    pub(super) fn whole(self) -> Result<T, String> {
        self.problem.map_or(Ok(self.value), Err)
    }
}

impl<T: Default> Partly<T> {
    /// That of a field. What is wrong there names it.
    pub(super) fn in_field(field: Once<Self>) -> Self {
        let name = field.name();
        Self::named(name, field.or_default())
    }

    /// The same of a field that must be there.
    pub(super) fn in_required(field: Once<Self>) -> Self {
        let name = field.name();
        Self::named(name, field.required())
    }

    fn named(name: &'static str, value: Result<Self, String>) -> Self {
        match value {
            Ok(Self { value, problem }) => Self { value, problem: problem.map(|problem| format!("{name}: {problem}")) },
            Err(problem) => Self { value: T::default(), problem: Some(problem) },
        }
    }
}

/// A field into which its value can be read.
pub(super) trait IntoField<'de, M: MapAccess<'de>> {
    fn name(&self) -> &'static str;
    fn read(&mut self, object: &mut M) -> Result<(), M::Error>;
}

impl<'de, M: MapAccess<'de>, T: Loose> IntoField<'de, M> for Once<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn read(&mut self, object: &mut M) -> Result<(), M::Error> {
        self.set(object.next_value()?);
        Ok(())
    }
}

/// Reads the fields of an object that count.
pub(super) fn fields<'de, M: MapAccess<'de>>(
    mut object: M,
    fields: &mut [&mut dyn IntoField<'de, M>],
) -> Result<(), M::Error> {
    while let Some(key) = object.next_key::<Cow<'_, str>>()? {
        match fields.iter_mut().find(|field| field.name() == key) {
            Some(field) => field.read(&mut object)?,
            None => drop(object.next_value::<IgnoredAny>()?),
        }
    }
    Ok(())
}

/// The one field of an object that counts.
pub(super) fn only<'de, T: Loose, M: MapAccess<'de>>(name: &'static str, object: M) -> Result<Once<T>, M::Error> {
    let mut value = Once::new(name);
    fields(object, &mut [&mut value])?;
    Ok(value)
}

/// Adds each item of a list that can be read, and says what is wrong with the first other one.
pub(super) fn items<'de, T: Loose, S: SeqAccess<'de>>(
    mut list: S,
    mut add: impl FnMut(T),
) -> Result<Result<(), String>, S::Error> {
    let mut all = Ok(());
    while let Some(Lenient(item)) = list.next_element()? {
        all = all.and(item.map(&mut add));
    }
    Ok(all)
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
        while let Some(key) = object.next_key::<Cow<'_, str>>()? {
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
