//! Decodes nodes into typed objects with Go's leniency.
//!
//! `null` is the zero value wherever it stands, unknown fields are dropped, a whole float is an integer. What Go
//! refuses is refused as well; the schema check reports that beforehand, with its place.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use crate::document::{Kind, Node};
use crate::number::float_as_integer;
use crate::time;
use crate::tree::{Entry, NodeId};

/// Values of any type, of which only managedFields holds some, may be nested as deep.
const MAX_DEPTH: u32 = 500;

/// Why a node does not fit a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        DecodeError(message.to_string())
    }
}

impl<'d> Node<'d> {
    /// Decodes the node as the API machinery would: leniently, but refusing what Go's typed decoding refuses.
    pub fn decode<T: serde::Deserialize<'d>>(self) -> Result<T, DecodeError> {
        T::deserialize(Decoder { node: self, depth: 0 })
    }
}

#[derive(Clone, Copy)]
struct Decoder<'d> {
    node: Node<'d>,
    depth: u32,
}

impl<'d> Decoder<'d> {
    fn seq(self) -> Result<Items<'d>, DecodeError> {
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::custom("nested too deeply"));
        }
        Ok(Items { of: self, rest: self.node.raw_items().iter() })
    }

    fn map(self) -> Result<Fields<'d>, DecodeError> {
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::custom("nested too deeply"));
        }
        Ok(Fields { of: self, rest: self.node.raw_entries().iter(), value: None })
    }

    fn below(self, id: NodeId) -> Self {
        Decoder { node: self.node.with(id), depth: self.depth + 1 }
    }

    fn wrong<T>(self, expected: &dyn fmt::Display) -> Result<T, DecodeError> {
        let found = match self.node.kind() {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => "a number",
            Kind::Str(_) => "a string",
            Kind::Seq => "an array",
            Kind::Map => "an object",
        };
        Err(DecodeError(format!("expected {expected}, found {found}")))
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.node.kind() {
                Kind::Null => visitor.visit_i64(0),
                Kind::Int(i) => visitor.visit_i64(i),
                Kind::Uint(u) => visitor.visit_u64(u),
                Kind::Float(f) => match float_as_integer(f) {
                    Some(i) => visitor.visit_i64(i),
                    None => self.wrong(&"an integer"),
                },
                _ => self.wrong(&"an integer"),
            }
        }
    )*};
}

impl<'d> Deserializer<'d> for Decoder<'d> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(b) => visitor.visit_bool(b),
            Kind::Int(i) => visitor.visit_i64(i),
            Kind::Uint(u) => visitor.visit_u64(u),
            Kind::Float(f) => match float_as_integer(f) {
                Some(i) => visitor.visit_i64(i),
                None => visitor.visit_f64(f),
            },
            Kind::Str(text) => visitor.visit_borrowed_str(text),
            Kind::Seq => visitor.visit_seq(self.seq()?),
            Kind::Map => visitor.visit_map(self.map()?),
        }
    }

    fn deserialize_bool<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null => visitor.visit_bool(false),
            Kind::Bool(b) => visitor.visit_bool(b),
            _ => self.wrong(&"a boolean"),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    #[expect(clippy::cast_precision_loss, reason = "what decoding an integer as a float does")]
    fn deserialize_f64<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null => visitor.visit_f64(0.0),
            Kind::Int(i) => visitor.visit_f64(i as f64),
            Kind::Uint(u) => visitor.visit_f64(u as f64),
            Kind::Float(f) => visitor.visit_f64(f),
            _ => self.wrong(&"a number"),
        }
    }

    fn deserialize_f32<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null => visitor.visit_borrowed_str(""),
            Kind::Str(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong(&"a string"),
        }
    }

    fn deserialize_string<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'d>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(self, name: &str, visitor: V) -> Result<V::Value, DecodeError> {
        let text = match (name, self.node.kind()) {
            // A quantity may be written as a number; its text is what counts.
            ("Quantity", Kind::Null) => "0".to_owned(),
            ("Quantity", Kind::Int(_) | Kind::Uint(_) | Kind::Float(_)) => self.node.to_json(),
            // Go's zero time.
            ("Time" | "MicroTime", Kind::Null) => "0001-01-01T00:00:00Z".to_owned(),
            ("Time" | "MicroTime", Kind::Str(text)) if text.get(11..).is_some() => time::strict(text),
            _ => return visitor.visit_newtype_struct(self),
        };
        visitor.visit_newtype_struct(text.into_deserializer())
    }

    fn deserialize_seq<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null | Kind::Seq => visitor.visit_seq(self.seq()?),
            _ => self.wrong(&"an array"),
        }
    }

    fn deserialize_tuple<V: Visitor<'d>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'d>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Null | Kind::Map => visitor.visit_map(self.map()?),
            _ => self.wrong(&"an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'d>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.node.kind() {
            Kind::Str(text) => visitor.visit_enum(Variant(text)),
            _ => self.wrong(&"a string"),
        }
    }

    fn deserialize_identifier<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

struct Items<'d> {
    of: Decoder<'d>,
    rest: std::slice::Iter<'d, NodeId>,
}

impl<'d> SeqAccess<'d> for Items<'d> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'d>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.rest.next().map(|id| seed.deserialize(self.of.below(*id))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'d> {
    of: Decoder<'d>,
    rest: std::slice::Iter<'d, Entry>,
    value: Option<NodeId>,
}

impl<'d> MapAccess<'d> for Fields<'d> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'d>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry.value);
        let key = entry.key.get(self.of.node.text, &self.of.node.tree.side);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'d>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some(id) = self.value.take() else { return Err(DecodeError::custom("a value without its key")) };
        seed.deserialize(self.of.below(id))
    }
}

struct Variant<'d>(&'d str);

impl<'d> EnumAccess<'d> for Variant<'d> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'d>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name: StrDeserializer<'d, DecodeError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'d> VariantAccess<'d> for Variant<'d> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'d>>(self, _: T) -> Result<T::Value, DecodeError> {
        Err(DecodeError::custom("expected a plain name"))
    }

    fn tuple_variant<V: Visitor<'d>>(self, _: usize, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom("expected a plain name"))
    }

    fn struct_variant<V: Visitor<'d>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom("expected a plain name"))
    }
}
