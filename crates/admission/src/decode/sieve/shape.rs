//! What a type reads from JSON, found by asking the type itself: no list of fields can go out of date.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use std::{cell::Cell, fmt};

/// What a type reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    I32,
    I64,
    Text,
    /// A type with a mind of its own.
    Own(Own),
    /// The same, or `null`.
    Maybe(Box<Self>),
    List(Box<Self>),
    /// By strings.
    Map(Box<Self>),
    /// Known fields. What is in others does not matter.
    Struct(Box<[(&'static str, Self)]>),
}

/// Types with a mind of their own, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Quantity,
    Time,
    FieldsV1,
}

/// The shape of a field; `None` if there is no such field, or something in it that cannot be told by asking.
pub(super) fn of_field<T: DeserializeOwned>(field: &'static str) -> Option<Shape> {
    match ask::<T>(&[]) {
        Some(Node::Struct(fields)) if fields.contains(&field) => shape::<T>(&mut vec![Step::Field(field)]),
        _ => None,
    }
}

fn shape<T: DeserializeOwned>(path: &mut Vec<Step>) -> Option<Shape> {
    let node = ask::<T>(path)?;
    let mut below = |step: Step| {
        path.push(step);
        let shape = shape::<T>(path);
        path.pop();
        shape
    };
    Some(match node {
        Node::Is(shape) => shape,
        Node::Maybe => Shape::Maybe(Box::new(below(Step::Into)?)),
        Node::List => Shape::List(Box::new(below(Step::Into)?)),
        Node::Map => Shape::Map(Box::new(below(Step::Into)?)),
        Node::Struct(fields) => {
            let fields: Option<Box<[_]>> = fields.iter().map(|name| Some((*name, below(Step::Field(name))?))).collect();
            Shape::Struct(fields?)
        }
    })
}

/// What is asked for at the end of a path.
enum Node {
    Is(Shape),
    Maybe,
    List,
    Map,
    Struct(&'static [&'static str]),
}

#[derive(Clone, Copy)]
enum Step {
    /// What may be `null`, the item of a list, or the value of a map.
    Into,
    Field(&'static str),
}

fn ask<T: DeserializeOwned>(path: &[Step]) -> Option<Node> {
    let noted = Cell::new(None);
    // No value ever comes of it; what was asked for is noted on the way.
    let _ = T::deserialize(Probe { path, noted: &noted }).map(drop);
    noted.take()
}

#[derive(Debug)]
struct Asked;

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value, only a question")
    }
}

impl std::error::Error for Asked {}

impl de::Error for Asked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

#[derive(Clone, Copy)]
struct Probe<'p> {
    path: &'p [Step],
    noted: &'p Cell<Option<Node>>,
}

impl Probe<'_> {
    /// Notes what is asked for, if this is where the path ends; otherwise goes on.
    fn note<V>(self, node: Node, go_on: impl FnOnce(Step, Self) -> Result<V, Asked>) -> Result<V, Asked> {
        if let Some((step, path)) = self.path.split_first() {
            return go_on(*step, Self { path, ..self });
        }
        self.noted.set(Some(node));
        Err(Asked)
    }

    fn is<V>(self, shape: Shape) -> Result<V, Asked> {
        self.note(Node::Is(shape), |_, _| Err(Asked))
    }
}

macro_rules! leaves {
    ($($method:ident $shape:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
            self.is(Shape::$shape)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Asked;

    leaves! {
        deserialize_bool Bool
        deserialize_i32 I32
        deserialize_i64 I64
        deserialize_str Text
        deserialize_string Text
    }

    /// What looks at the value to know what it is cannot be told by asking.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Asked> {
        self.note(Node::Maybe, |_, rest| visitor.visit_some(rest))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Asked> {
        self.note(Node::List, |_, rest| visitor.visit_seq(Within { name: None, rest }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Asked> {
        self.note(Node::Map, |_, rest| visitor.visit_map(Within { name: Some(""), rest }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Asked> {
        self.note(Node::Struct(fields), |step, rest| match step {
            Step::Field(name) => visitor.visit_map(Within { name: Some(name), rest }),
            Step::Into => Err(Asked),
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, _: V) -> Result<V::Value, Asked> {
        match name {
            "Quantity" => self.is(Shape::Own(Own::Quantity)),
            "Time" => self.is(Shape::Own(Own::Time)),
            "FieldsV1" => self.is(Shape::Own(Own::FieldsV1)),
            _ => Err(Asked),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

/// The one item, entry or field on the way.
struct Within<'p> {
    name: Option<&'static str>,
    rest: Probe<'p>,
}

impl<'de> SeqAccess<'de> for Within<'_> {
    type Error = Asked;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Asked> {
        seed.deserialize(self.rest).map(Some)
    }
}

impl<'de> MapAccess<'de> for Within<'_> {
    type Error = Asked;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Asked> {
        self.name.take().map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Asked> {
        seed.deserialize(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, Probe as PodProbe};

    #[test]
    fn types_tell_what_they_read() {
        let maybe = |shape| Shape::Maybe(Box::new(shape));
        assert_eq!(of_field::<Container>("tty"), Some(maybe(Shape::Bool)));
        assert_eq!(of_field::<PodSpec>("priority"), Some(maybe(Shape::I32)));
        assert_eq!(of_field::<PodSpec>("terminationGracePeriodSeconds"), Some(maybe(Shape::I64)));
        assert_eq!(of_field::<PodSpec>("nodeSelector"), Some(maybe(Shape::Map(Box::new(Shape::Text)))));
        assert_eq!(of_field::<PodSpec>("overhead"), Some(maybe(Shape::Map(Box::new(Shape::Own(Own::Quantity))))));
        let Some(Shape::Maybe(list)) = of_field::<Container>("env") else { panic!("a list that may be left out") };
        let Shape::List(variable) = *list else { panic!("a list") };
        let Shape::Struct(fields) = *variable else { panic!("a list of structures") };
        assert_eq!(fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["name", "value", "valueFrom"]);
        assert_eq!(fields[0].1, of_field::<EnvVar>("name").unwrap());
    }

    #[test]
    fn what_cannot_be_told_is_not_told() {
        // A port may be a number or a name.
        assert_eq!(of_field::<PodProbe>("httpGet"), None);
        assert_eq!(of_field::<Container>("livenessProbe"), None);
        assert_eq!(of_field::<Container>("nothing"), None);
    }
}
