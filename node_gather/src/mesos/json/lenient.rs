//! Values that may have another type than they should.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::mesos::state::{Attributes, OddField, Oddity, RawResources};

/// The types that a value may have, each read or taken for another one.
pub(super) trait Form<'de>: Sized {
    type Value;

    /// What a value of another type becomes.
    fn other(self, found: &'static str) -> Self::Value;

    fn string(self, _: &str) -> Self::Value {
        self.other("a string")
    }

    fn number(self, _: f64) -> Self::Value {
        self.other("a number")
    }

    fn boolean(self, _: bool) -> Self::Value {
        self.other("true or false")
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.other("a list"))
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other("an object"))
    }
}

pub(super) struct AnyForm<F>(pub(super) F);

impl<'de, F: Form<'de>> Visitor<'de> for AnyForm<F> {
    type Value = F::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<F::Value, E> {
        Ok(self.0.string(text))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<F::Value, E> {
        Ok(self.0.number(number))
    }

    // A whole number above 2^53 is rounded, but no sensible one is that large.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<F::Value, E> {
        Ok(self.0.number(number as f64))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<F::Value, E> {
        Ok(self.0.number(number as f64))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<F::Value, E> {
        Ok(self.0.boolean(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<F::Value, E> {
        Ok(self.0.other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<F::Value, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<F::Value, A::Error> {
        self.0.object(map)
    }
}

/// A value of a type, or what stands in its place.
pub(super) enum Lenient<T> {
    Value(T),
    Other(&'static str),
}

/// A type that a value should have.
pub(super) trait Typed: Sized {
    const EXPECTED: &'static str;

    fn of_string(_: &str) -> Option<Self> {
        None
    }

    fn of_number(_: f64) -> Option<Self> {
        None
    }

    fn of_boolean(_: bool) -> Option<Self> {
        None
    }

    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn of_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

struct As<T>(PhantomData<T>);

impl<T> As<T> {
    fn found(value: Option<T>, found: &'static str) -> Lenient<T> {
        value.map_or(Lenient::Other(found), Lenient::Value)
    }
}

impl<'de, T: Typed> Form<'de> for As<T> {
    type Value = Lenient<T>;

    fn other(self, found: &'static str) -> Lenient<T> {
        Lenient::Other(found)
    }

    fn string(self, text: &str) -> Lenient<T> {
        Self::found(T::of_string(text), "a string")
    }

    fn number(self, number: f64) -> Lenient<T> {
        Self::found(T::of_number(number), "a number")
    }

    fn boolean(self, value: bool) -> Lenient<T> {
        Self::found(T::of_boolean(value), "true or false")
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Lenient<T>, A::Error> {
        Ok(Self::found(T::of_list(list)?, "a list"))
    }

    fn object<A: MapAccess<'de>>(self, map: A) -> Result<Lenient<T>, A::Error> {
        Ok(Self::found(T::of_object(map)?, "an object"))
    }
}

impl<'de, T: Typed> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyForm(As(PhantomData)))
    }
}

impl Typed for String {
    const EXPECTED: &'static str = "a string";
    fn of_string(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Typed for f64 {
    const EXPECTED: &'static str = "a number";
    fn of_number(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl Typed for bool {
    const EXPECTED: &'static str = "true or false";
    fn of_boolean(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl<T: Typed> Typed for Vec<Lenient<T>> {
    const EXPECTED: &'static str = "a list";
    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

impl Typed for Attributes {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
    }
}

impl Typed for RawResources {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
    }
}

/// The fields of an item that have occurred, and the least of its odd ones.
#[derive(Default)]
pub(super) struct Oddities {
    seen: Vec<&'static str>,
    pub(super) least: Option<OddField>,
}

impl Oddities {
    pub(super) fn add(&mut self, path: &'static str, oddity: Oddity) {
        OddField { path, oddity }.keep_in(&mut self.least);
    }

    /// Whether the field has not occurred before.
    pub(super) fn is_first(&mut self, path: &'static str) -> bool {
        let is_first = !self.seen.contains(&path);
        if is_first {
            self.seen.push(path);
        } else {
            self.add(path, Oddity::Repeated);
        }
        is_first
    }

    /// The value, unless it has another type.
    pub(super) fn take<T: Typed>(&mut self, path: &'static str, value: Lenient<T>) -> Option<T> {
        match value {
            Lenient::Value(value) => Some(value),
            Lenient::Other(found) => {
                self.add(path, Oddity::Type { found, expected: T::EXPECTED });
                None
            }
        }
    }

    /// The value; `null` equals an absent one.
    pub(super) fn take_or_null<T: Typed>(&mut self, path: &'static str, value: Lenient<T>) -> Option<T> {
        match value {
            Lenient::Other("null") => None,
            value => self.take(path, value),
        }
    }

    pub(super) fn is_list(&mut self, path: &'static str, found: Option<&'static str>) {
        if let Some(found) = found {
            self.add(path, Oddity::Type { found, expected: "a list" });
        }
    }

    /// Whether the field has occurred; it must.
    pub(super) fn require(&mut self, path: &'static str) -> bool {
        let is_there = self.seen.contains(&path);
        if !is_there {
            self.add(path, Oddity::Missing);
        }
        is_there
    }
}
