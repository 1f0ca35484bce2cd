//! Values that nobody reads are held against their shape, and not kept.

use super::shape::{Own, Shape};
use k8s_openapi::apimachinery::pkg::{
    api::resource::Quantity,
    apis::meta::v1::{FieldsV1, Time},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// Takes a value, if the type of that shape would.
#[derive(Clone, Copy)]
pub(super) struct Check<'s>(pub(super) &'s Shape);

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.0 {
            Shape::Bool => bool::deserialize(from).map(drop),
            Shape::I32 => i32::deserialize(from).map(drop),
            Shape::I64 => i64::deserialize(from).map(drop),
            Shape::Text => from.deserialize_str(Text),
            Shape::Own(Own::Quantity) => Quantity::deserialize(from).map(drop),
            Shape::Own(Own::Time) => Time::deserialize(from).map(drop),
            Shape::Own(Own::FieldsV1) => FieldsV1::deserialize(from).map(drop),
            Shape::Maybe(_) => from.deserialize_option(self),
            Shape::List(_) => from.deserialize_seq(self),
            // Unlike for structures, serde takes no list for a map.
            Shape::Map(_) | Shape::Struct(_) => from.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the field is for")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.0 {
            Shape::Maybe(shape) => Check(shape).deserialize(from),
            _ => Err(D::Error::custom("no optional value")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Shape::List(item) = self.0 else { return Err(A::Error::custom("no list")) };
        while items.next_element_seed(Check(item))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        match self.0 {
            Shape::Map(value) => {
                while entries.next_key_seed(Check(&Shape::Text))?.is_some() {
                    entries.next_value_seed(Check(value))?;
                }
            }
            Shape::Struct(fields) => {
                while let Some(known) = entries.next_key_seed(Known(fields))? {
                    match known {
                        Some(shape) => entries.next_value_seed(Check(shape))?,
                        None => drop(entries.next_value::<IgnoredAny>()?),
                    }
                }
            }
            _ => return Err(A::Error::custom("no object")),
        }
        Ok(())
    }
}

impl Check<'_> {
    fn null<E: Error>(self) -> Result<(), E> {
        match self.0 {
            Shape::Maybe(_) => Ok(()),
            _ => Err(E::custom("null")),
        }
    }
}

/// Any string.
struct Text;

impl Visitor<'_> for Text {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The shape of the field of that name, if it is known.
pub(super) fn known<'s>(fields: &'s [(&'static str, Shape)], name: &str) -> Option<&'s Shape> {
    fields.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
}

struct Known<'s>(&'s [(&'static str, Shape)]);

impl<'de, 's> DeserializeSeed<'de> for Known<'s> {
    type Value = Option<&'s Shape>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<'s> Visitor<'_> for Known<'s> {
    type Value = Option<&'s Shape>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(known(self.0, name))
    }
}
