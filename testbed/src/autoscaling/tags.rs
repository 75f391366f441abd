//! Tags of groups, within the limits of AWS.

use super::super::query::{AwsError, Request};
use super::{ByName, Group, not_found};

/// The most tags a group may have.
const MAX_TAGS: usize = 50;

/// `CreateOrUpdateTags`.
pub(super) fn create_or_update(groups: &mut ByName, request: &Request) -> Result<(), AwsError> {
    // All or nothing: every tag is looked at before the first is written.
    for tag in tags(request) {
        let (key, value) = (tag.key?, tag.value);
        let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c));
        if key.is_empty() || key.chars().count() > 128 || !allowed(key) || key.to_ascii_lowercase().starts_with("aws:")
        {
            return Err(AwsError::validation(format!("{key} is not a valid key of a tag")));
        }
        if value.chars().count() > 256 || !allowed(value) {
            return Err(AwsError::validation(format!("{value} is not a valid value of a tag")));
        }
        let name = tag.group?;
        let group = groups.get(name).ok_or_else(|| not_found(name))?;
        if !group.tags.contains_key(key) && group.tags.len() >= MAX_TAGS {
            return Err(AwsError::new(400, "LimitExceeded", format!("more than {MAX_TAGS} tags")));
        }
    }
    each(groups, request, |group, key, value| drop(group.tags.insert(key.to_owned(), value.to_owned())))
}

/// `DeleteTags`; one that is not there is no error.
pub(super) fn delete(groups: &mut ByName, request: &Request) -> Result<(), AwsError> {
    each(groups, request, |group, key, _| drop(group.tags.remove(key)))
}

fn each(groups: &mut ByName, request: &Request, act: impl Fn(&mut Group, &str, &str)) -> Result<(), AwsError> {
    for tag in tags(request) {
        let name = tag.group?;
        act(groups.get_mut(name).ok_or_else(|| not_found(name))?, tag.key?, tag.value);
    }
    Ok(())
}

struct Tag<'a> {
    group: Result<&'a str, AwsError>,
    key: Result<&'a str, AwsError>,
    value: &'a str,
}

fn tags(request: &Request) -> impl Iterator<Item = Tag<'_>> {
    (1..).map_while(move |index: u32| {
        let name = |part: &str| format!("Tags.member.{index}.{part}");
        request.get(&name("Key"))?;
        Some(Tag {
            group: request.required(&name("ResourceId")),
            key: request.required(&name("Key")),
            value: request.get(&name("Value")).unwrap_or_default(),
        })
    })
}
