//! A cluster's objects one after another, without ever holding all of them.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{cell::RefCell, fmt};

/// An object of a stream, still as text.
#[derive(Debug)]
pub struct Item<'s> {
    /// The object.
    pub json: Box<RawValue>,
    /// The type that its list says its items have, if the list said so before it came to them: API version and kind,
    /// such as `v1` and `Pod`. Items of such lists often leave out their own.
    pub list_type: Option<(&'s str, &'s str)>,
}

/// Hands every item of a JSON list to the visitor, as it is read. The document must be a list: an object with an array
/// of `items`. Use `serde_json::Deserializer::from_reader` to read what does not fit into memory.
pub fn each_item<'de, D: Deserializer<'de>>(list: D, visit: impl FnMut(Item<'_>)) -> Result<(), D::Error> {
    list.deserialize_map(List(RefCell::new(visit)))
}

struct List<F>(RefCell<F>);

impl<'de, F: FnMut(Item<'_>)> Visitor<'de> for List<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut api_version, mut kind) = (String::new(), String::new());
        while let Some(field) = map.next_key::<Name>()? {
            match field {
                Name::ApiVersion => api_version = map.next_value()?,
                Name::Kind => kind = map.next_value()?,
                Name::Items => {
                    let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
                    let list_type = item_kind.map(|kind| (api_version.as_str(), kind));
                    map.next_value_seed(Items { visit: &self.0, list_type })?;
                }
                Name::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    ApiVersion,
    Kind,
    Items,
    #[serde(other)]
    Other,
}

struct Items<'s, F> {
    visit: &'s RefCell<F>,
    list_type: Option<(&'s str, &'s str)>,
}

impl<'de, F: FnMut(Item<'_>)> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Item<'_>)> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(json) = items.next_element()? {
            (self.visit.borrow_mut())(Item { json, list_type: self.list_type });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let mut seen = Vec::new();
        let visit = |item: Item<'_>| seen.push(format!("{:?} {}", item.list_type, item.json.get()));
        each_item(&mut serde_json::Deserializer::from_reader(text.as_bytes()), visit)
            .map_err(|error| error.to_string())?;
        Ok(seen)
    }

    #[test]
    fn hands_over_items_as_they_come() {
        assert_eq!(
            read(r#"{"apiVersion":"v1","items":[{"a":1},{"b":2}],"kind":"List"}"#),
            Ok(vec![r#"None {"a":1}"#.into(), r#"None {"b":2}"#.into()])
        );
        assert_eq!(
            read(r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{}]}"#),
            Ok(vec![r#"Some(("v1", "Pod")) {}"#.into()])
        );
    }

    #[test]
    fn half_a_list_is_an_error_after_its_items() {
        let error = read(r#"{"items":[{},{}"#).unwrap_err();
        assert!(error.starts_with("EOF"), "{error}");
        assert!(read("[]").unwrap_err().contains("expected a list of Kubernetes objects"));
    }
}
