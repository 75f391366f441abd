//! Amounts of each kind of resource, exact to the thousandth.
//!
//! Mesos compares and rounds scalars at three decimals (`src/common/values.cpp`: `llround(x * 1000)`), so whole
//! thousandths hold every amount it can name: sums are exact, do not depend on their order, and have no NaN.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Index, IndexMut};

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The kinds of resource that Lambda Scale looks at, in the order in which they are always printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Processor cores.
    Cpus,
    /// Memory in MB.
    Mem,
    /// Disk in MB.
    Disk,
    /// Graphics processors.
    Gpus,
}

impl Kind {
    /// Every kind, in printing order.
    pub const ALL: [Self; 4] = [Self::Cpus, Self::Mem, Self::Disk, Self::Gpus];

    /// Every kind, in the order in which a Mesos master lists them in /state.
    pub const IN_STATE: [Self; Self::ALL.len()] = [Self::Disk, Self::Mem, Self::Gpus, Self::Cpus];

    /// The name Mesos gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpus => "cpus",
            Self::Mem => "mem",
            Self::Disk => "disk",
            Self::Gpus => "gpus",
        }
    }

    /// The name of the metric of its utilization.
    #[must_use]
    pub const fn utilization_metric(self) -> &'static str {
        match self {
            Self::Cpus => "CpusUtilization",
            Self::Mem => "MemUtilization",
            Self::Disk => "DiskUtilization",
            Self::Gpus => "GpusUtilization",
        }
    }

    /// What stands behind an amount of it: ` MB`, or nothing where the kind itself is counted.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpus | Self::Gpus => "",
            Self::Mem | Self::Disk => " MB",
        }
    }

    /// An amount with its unit and kind: `4 cpus`, `14000 MB mem`.
    #[must_use]
    pub fn quantity(self, amount: Amount) -> String {
        format!("{amount}{} {self}", self.unit())
    }

    /// The names of all kinds, for messages: `cpus, mem, disk, gpus`.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The kind of that name, if it is one that is looked at.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One value for each [`Kind`], with the kind as its index.
///
/// ```
/// use shared::resources::{Kind, PerKind};
/// let lengths = PerKind::from_fn(|kind| kind.name().len());
/// assert_eq!((lengths[Kind::Cpus], lengths[Kind::Mem]), (4, 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PerKind<T>([T; Kind::ALL.len()]);

impl<T> PerKind<T> {
    /// Builds one from a function of the kind.
    #[must_use]
    pub fn from_fn(value: impl FnMut(Kind) -> T) -> Self {
        Self(Kind::ALL.map(value))
    }

    /// The values of a function of each kind and its value.
    #[must_use]
    pub fn map<U>(self, mut value: impl FnMut(Kind, T) -> U) -> PerKind<U> {
        let mut kinds = Kind::ALL.into_iter();
        // Both arrays have one entry for each kind; the default stands for none.
        PerKind(self.0.map(|old| value(kinds.next().unwrap_or(Kind::Cpus), old)))
    }

    /// Each kind with its value, in printing order.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().zip(&self.0)
    }

    /// Each kind with its value, to change it, in printing order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Kind, &mut T)> {
        Kind::ALL.into_iter().zip(&mut self.0)
    }

    /// The values in printing order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T: Copy> PerKind<T> {
    /// Those values of those kinds, and `other` of every other kind.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a kind is the index of its own array")]
    pub const fn of(values: &[(Kind, T)], other: T) -> Self {
        let mut all = [other; Kind::ALL.len()];
        let mut rest = values;
        while let [(kind, value), more @ ..] = rest {
            all[*kind as usize] = *value;
            rest = more;
        }
        Self(all)
    }
}

impl<T> Index<Kind> for PerKind<T> {
    type Output = T;
    #[expect(clippy::indexing_slicing, reason = "a kind is the index of its own array")]
    fn index(&self, kind: Kind) -> &T {
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<Kind> for PerKind<T> {
    #[expect(clippy::indexing_slicing, reason = "a kind is the index of its own array")]
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

/// From an object with the names of [`Kind`]: what is absent is `None`, other names are ignored, a name may not repeat.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerKind<Option<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName<T>(PerKind<Option<T>>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
            type Value = PerKind<Option<T>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with {}", Kind::names())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Self(mut values) = self;
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match Kind::from_name(&name) {
                        Some(kind) if values[kind].is_some() => {
                            return Err(de::Error::duplicate_field(kind.name()));
                        }
                        Some(kind) => values[kind] = Some(map.next_value()?),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(values)
            }
        }
        deserializer.deserialize_map(ByName(Self::from_fn(|_| None)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An amount of one resource in thousandths of its unit (a core, a MB, a gpu).
///
/// ```
/// use shared::resources::Amount;
/// let (a, b) = (Amount::from_units(0.1).unwrap(), Amount::from_units(0.2).unwrap());
/// assert_eq!(Some(a + b), Amount::from_units(0.3));
/// assert_eq!((a + b).to_string(), "0.3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount, 10^12 units: JSON numbers (doubles) hold everything up to it exactly to the thousandth, and
    /// ten thousand times it fits 64 bits. Sums stop here instead of overflowing.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// An amount of so many thousandths, at most [`Amount::MAX`].
    #[must_use]
    pub const fn from_thousandths(thousandths: u64) -> Self {
        if thousandths > Self::MAX.0 { Self::MAX } else { Self(thousandths) }
    }

    /// An amount from Mesos' decimal form, rounded to the nearest thousandth as Mesos does.
    /// `None` where it is negative, not finite or above [`Amount::MAX`].
    #[must_use]
    pub fn from_units(units: f64) -> Option<Self> {
        let thousandths = (units * 1000.0).round();
        // The bound is far below 2^53, so the conversion is exact.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        (0.0..=Self::MAX.0 as f64).contains(&thousandths).then_some(Self(thousandths as u64))
    }

    /// The amount in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u64 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is left of `self` without `other`; nothing where `other` is more.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `count` times the amount, at most [`Amount::MAX`].
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self::from_thousandths(self.0.saturating_mul(count))
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_thousandths(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (units, 0) => write!(f, "{units}"),
            (units, tenths) if tenths.is_multiple_of(100) => write!(f, "{units}.{}", tenths / 100),
            (units, hundredths) if hundredths.is_multiple_of(10) => write!(f, "{units}.{:02}", hundredths / 10),
            (units, thousandths) => write!(f, "{units}.{thousandths:03}"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u64(self.0 / 1000)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "Amount::MAX is below 2^53")]
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let units = f64::deserialize(deserializer)?;
        Self::from_units(units)
            .ok_or_else(|| de::Error::custom(format!("{units} is not an amount between 0 and {}", Self::MAX)))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "description": "In thousandths at the finest." })
    }
}

/// An amount of each [`Kind`].
///
/// In JSON an object with the names of [`Kind`]; on reading, what is absent is 0 and other names are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct Resources {
    /// Processor cores.
    pub cpus: Amount,
    /// Memory in MB.
    pub mem: Amount,
    /// Disk in MB.
    pub disk: Amount,
    /// Graphics processors.
    pub gpus: Amount,
}

impl Resources {
    /// Nothing of anything.
    pub const ZERO: Self = Self { cpus: Amount::ZERO, mem: Amount::ZERO, disk: Amount::ZERO, gpus: Amount::ZERO };

    /// Builds one from a function of the kind.
    #[must_use]
    pub fn from_fn(mut amount: impl FnMut(Kind) -> Amount) -> Self {
        Self { cpus: amount(Kind::Cpus), mem: amount(Kind::Mem), disk: amount(Kind::Disk), gpus: amount(Kind::Gpus) }
    }

    /// The amount of one kind.
    #[must_use]
    pub const fn get(&self, kind: Kind) -> Amount {
        match kind {
            Kind::Cpus => self.cpus,
            Kind::Mem => self.mem,
            Kind::Disk => self.disk,
            Kind::Gpus => self.gpus,
        }
    }

    /// The amount of one kind, to change it.
    pub const fn get_mut(&mut self, kind: Kind) -> &mut Amount {
        match kind {
            Kind::Cpus => &mut self.cpus,
            Kind::Mem => &mut self.mem,
            Kind::Disk => &mut self.disk,
            Kind::Gpus => &mut self.gpus,
        }
    }

    /// Whether there is nothing of anything.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Per kind what is left of `self` without `other`, never below 0.
    #[must_use]
    pub fn saturating_sub(&self, other: &Self) -> Self {
        Self::from_fn(|kind| self.get(kind).saturating_sub(other.get(kind)))
    }

    /// `count` times the amounts.
    #[must_use]
    pub fn times(&self, count: u64) -> Self {
        Self::from_fn(|kind| self.get(kind).times(count))
    }

    /// Of each kind the most that any of these has.
    #[must_use]
    pub fn largest(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::ZERO, |a, b| Self::from_fn(|kind| a.get(kind).max(b.get(kind))))
    }

    /// Whether `room` has at least as much of every kind.
    #[must_use]
    pub fn fits_in(&self, room: &Self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.get(kind) <= room.get(kind))
    }

    /// How many times it fits in `room`; `u64::MAX` where it is nothing.
    #[must_use]
    pub fn times_in(&self, room: &Self) -> u64 {
        let of = |kind| room.get(kind).thousandths().checked_div(self.get(kind).thousandths());
        Kind::ALL.into_iter().filter_map(of).min().unwrap_or(u64::MAX)
    }
}

impl Add for Resources {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_fn(|kind| self.get(kind) + other.get(kind))
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Resources {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantity = |kind: Kind| match (kind, self.get(kind)) {
            (_, Amount::ZERO) => None,
            // In a list of resources, MB alone are those of the memory.
            (Kind::Mem, amount) => Some(format!("{amount}{}", kind.unit())),
            (_, amount) => Some(kind.quantity(amount)),
        };
        let quantities: Vec<String> = Kind::ALL.into_iter().filter_map(quantity).collect();
        f.write_str(if quantities.is_empty() { "nothing" } else { "" })?;
        f.write_str(&quantities.join(", "))
    }
}

impl Serialize for Resources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Kind::ALL.len()))?;
        for kind in Kind::ALL {
            map.serialize_entry(kind.name(), &self.get(kind))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amounts = PerKind::<Option<Amount>>::deserialize(deserializer)?;
        Ok(Self::from_fn(|kind| amounts[kind].unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn resources() -> impl Strategy<Value = Resources> {
        prop::collection::vec(0_u64..=Amount::MAX.0, Kind::ALL.len())
            .prop_map(|amounts| Resources::from_fn(|kind| Amount(amounts[kind as usize])))
    }

    proptest! {
        #[test]
        fn json_keeps_every_thousandth(resources in resources()) {
            let json = serde_json::to_string(&resources).unwrap();
            prop_assert_eq!(serde_json::from_str::<Resources>(&json).unwrap(), resources);
        }

        #[test]
        fn any_double_is_an_amount_in_range_or_refused(units in any::<f64>()) {
            if let Some(amount) = Amount::from_units(units) {
                prop_assert!(amount <= Amount::MAX && units >= -0.001);
            }
        }

        #[test]
        fn sums_stop_at_the_maximum(a in resources(), b in resources()) {
            prop_assert!((a + b).fits_in(&Resources::from_fn(|_| Amount::MAX)));
            prop_assert!(a.fits_in(&(a + b)));
        }
    }

    #[test]
    fn whole_amounts_have_no_decimal_point() {
        let resources = Resources { cpus: Amount(40_000), mem: Amount(512_500), ..Resources::ZERO };
        assert_eq!(serde_json::to_string(&resources).unwrap(), r#"{"cpus":40,"mem":512.5,"disk":0,"gpus":0}"#);
        assert_eq!(resources.to_string(), "40 cpus, 512.5 MB");
        let disk = Resources { disk: Amount(500_000), ..resources };
        assert_eq!(disk.to_string(), "40 cpus, 512.5 MB, 500 MB disk");
        assert_eq!(Kind::Mem.quantity(resources.mem), "512.5 MB mem");
        assert_eq!(Resources::ZERO.to_string(), "nothing");
    }

    #[test]
    fn every_kind_is_listed_in_each_order_and_in_the_template() {
        let template = include_str!("../../template.yaml");
        assert!(template.contains(&format!("AllowedPattern: ^({})$", Kind::ALL.map(Kind::name).join("|"))));
        let distinct = |kinds: [Kind; Kind::ALL.len()]| BTreeSet::from(kinds).len();
        assert_eq!((distinct(Kind::ALL), distinct(Kind::IN_STATE)), (Kind::ALL.len(), Kind::ALL.len()));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let twice = r#"{"cpus":1,"cpus":1}"#;
        for bad in [r#"{"cpus":-1}"#, r#"{"cpus":1e300}"#, r#"{"cpus":"2"}"#, r#"{"cpus":null}"#, "[]", twice] {
            assert!(serde_json::from_str::<Resources>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<Resources>(r#"{"ports":"[1-2]","network":1}"#).unwrap(), Resources::ZERO);
    }
}
