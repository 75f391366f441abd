//! Numbers of things.

/// A number as messages and metrics carry it: what does not fit becomes the largest.
///
/// ```
/// use shared::count::saturated;
/// assert_eq!([saturated(7_usize), saturated(u64::MAX), saturated(u128::MAX)], [7, u32::MAX, u32::MAX]);
/// ```
#[must_use]
pub fn saturated(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}
