//! A serde deserialiser that is as lenient as Go's JSON decoder and complains in its words:
//! `json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container`.

use super::{DecodeError, json::Json};
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;
use std::{cell::Cell, fmt};

pub(super) fn decode<T: DeserializeOwned>(value: &Json) -> Result<T, DecodeError> {
    T::deserialize(Go { value, field: None }).map_err(|Error(text)| DecodeError(text))
}

#[derive(Debug)]
struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// A field on the way to a value; list items and map keys do not count.
#[derive(Clone, Copy)]
struct Field<'a> {
    structure: &'static str,
    name: &'a str,
    parent: Option<&'a Field<'a>>,
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

#[derive(Clone, Copy)]
struct Go<'a, 'f> {
    value: &'a Json,
    field: Option<&'f Field<'f>>,
}

impl Go<'_, '_> {
    fn mismatch(&self, what: &str, wanted: &str) -> Error {
        Error(match self.field {
            Some(field) => format!(
                "json: cannot unmarshal {what} into Go struct field {}.{field} of type {wanted}",
                field.structure
            ),
            None => format!("json: cannot unmarshal {what} into Go value of type {wanted}"),
        })
    }

    fn unfit(&self, wanted: &str) -> Error {
        self.mismatch(self.value.go_kind(), wanted)
    }

    fn integer(&self, wanted: &str, range: std::ops::RangeInclusive<i128>) -> Result<i128, Error> {
        match self.value {
            Json::Null => Ok(0),
            Json::Number(number) => {
                let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                let fitting = integer.filter(|i| range.contains(i));
                fitting.ok_or_else(|| self.mismatch(&format!("number {number}"), wanted))
            }
            _ => Err(self.unfit(wanted)),
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident $go:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.integer($go, i128::from($type::MIN)..=i128::from($type::MAX))?;
            // The range was checked.
            visitor.$visit($type::try_from(number).unwrap_or_default())
        }
    )*};
}

impl<'de> Deserializer<'de> for Go<'_, '_> {
    type Error = Error;

    integers! {
        deserialize_i8 visit_i8 i8 "int8"
        deserialize_i16 visit_i16 i16 "int16"
        deserialize_i32 visit_i32 i32 "int32"
        deserialize_i64 visit_i64 i64 "int64"
        deserialize_u8 visit_u8 u8 "uint8"
        deserialize_u16 visit_u16 u16 "uint16"
        deserialize_u32 visit_u32 u32 "uint32"
        deserialize_u64 visit_u64 u64 "uint64"
    }

    /// For the types with a mind of their own, such as quantities and free-form JSON.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let own = Value::from(self.value);
        own.deserialize_any(visitor).map_err(|error| Error(error.to_string()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_bool(false),
            Json::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.unfit("bool")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_f64(0.0),
            Json::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => Err(self.unfit("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_str(""),
            Json::String(text) => visitor.visit_str(text),
            _ => Err(self.unfit("string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if *self.value == Json::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_seq(Items { items: [].iter(), field: self.field }),
            Json::Array(items) => visitor.visit_seq(Items { items: items.iter(), field: self.field }),
            _ => Err(self.unfit(&format!("[]{}", type_of_items(visitor)))),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_map(Entries::new(&[], None, self.field)),
            Json::Object(fields) => visitor.visit_map(Entries::new(fields, None, self.field)),
            _ => Err(self.unfit(&format!("map[string]{}", type_of_items(visitor)))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Json::Null => visitor.visit_map(Entries::new(&[], Some(name), self.field)),
            Json::Object(fields) => visitor.visit_map(Entries::new(fields, Some(name), self.field)),
            _ => Err(self.unfit(&format!("v1.{name}"))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct enum }
}

struct Items<'a, 'f> {
    items: std::slice::Iter<'a, Json>,
    field: Option<&'f Field<'f>>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.items.next().map(|value| seed.deserialize(Go { value, field: self.field })).transpose()
    }
}

/// The fields of a structure, or the entries of a map, which has no name.
struct Entries<'a, 'f> {
    rest: std::slice::Iter<'a, (String, Json)>,
    structure: Option<&'static str>,
    parent: Option<&'f Field<'f>>,
    current: Option<&'a (String, Json)>,
}

impl<'a, 'f> Entries<'a, 'f> {
    fn new(fields: &'a [(String, Json)], structure: Option<&'static str>, parent: Option<&'f Field<'f>>) -> Self {
        Self { rest: fields.iter(), structure, parent, current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.current = self.rest.next();
        self.current.map(|(name, _)| seed.deserialize(name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, value)) = self.current.take() else {
            return Err(Error("a value was asked for before its key".to_owned()));
        };
        match self.structure {
            Some(structure) => {
                let field = Field { structure, name, parent: self.parent };
                seed.deserialize(Go { value, field: Some(&field) })
            }
            None => seed.deserialize(Go { value, field: self.parent }),
        }
    }
}

/// The Go type of what a list or map holds, found by handing the visitor one item that only looks at what is wanted.
fn type_of_items<'de, V: Visitor<'de>>(visitor: V) -> String {
    let wanted = Cell::new(None);
    // The probe fails always; the answer is what it noted.
    let _ = visitor.visit_seq(Probe(&wanted)).map(drop);
    wanted.take().unwrap_or_else(|| "string".to_owned())
}

#[derive(Clone, Copy)]
struct Probe<'c>(&'c Cell<Option<String>>);

impl Probe<'_> {
    fn note<T>(self, wanted: &str) -> Result<T, Error> {
        self.0.set(Some(wanted.to_owned()));
        Err(Error(String::new()))
    }
}

impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(*self).map(Some)
    }
}

macro_rules! probes {
    ($($method:ident $go:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            self.note($go)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    probes! {
        deserialize_any "string"
        deserialize_bool "bool"
        deserialize_i32 "int32"
        deserialize_i64 "int64"
        deserialize_f64 "float64"
        deserialize_str "string"
        deserialize_string "string"
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.note(&format!("v1.{name}"))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note(&format!("[]{}", type_of_items(visitor)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct map
        enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Pod, ReplicationController};
    use serde_json::json;

    fn complaint<T: DeserializeOwned + fmt::Debug>(value: &Value) -> String {
        super::decode::<T>(&Json::from(value)).unwrap_err().to_string()
    }

    #[test]
    fn names_the_innermost_structure_the_whole_path_and_the_type() {
        for (value, words) in [
            (json!({"spec": {"hostPID": "yes"}}), "string into Go struct field PodSpec.spec.hostPID of type bool"),
            (
                json!({"spec": {"containers": [{"ports": [{"hostPort": 1.5}]}]}}),
                "number 1.5 into Go struct field ContainerPort.spec.containers.ports.hostPort of type int32",
            ),
            (
                json!({"spec": {"securityContext": {"runAsUser": 9_223_372_036_854_775_808_u64}}}),
                "number 9223372036854775808 into Go struct field PodSecurityContext.spec.securityContext.runAsUser of type int64",
            ),
            (
                json!({"spec": {"containers": {}}}),
                "object into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            (json!({"spec": []}), "array into Go struct field Pod.spec of type v1.PodSpec"),
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                "number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                json!({"metadata": {"finalizers": true}}),
                "bool into Go struct field ObjectMeta.metadata.finalizers of type []string",
            ),
        ] {
            assert_eq!(complaint::<Pod>(&value), format!("json: cannot unmarshal {words}"));
        }
    }

    #[test]
    fn names_the_field_of_a_map_for_what_is_in_it() {
        let value = json!({"spec": {"selector": {"matchLabels": {}}}});
        assert_eq!(
            complaint::<ReplicationController>(&value),
            "json: cannot unmarshal object into Go struct field ReplicationControllerSpec.spec.selector of type string"
        );
    }

    #[test]
    fn complains_of_what_is_wrong_first_in_the_text() {
        let complaint = |json: &str| crate::decode::decode::<Pod>(json).unwrap_err().to_string();
        assert!(complaint(r#"{"spec":{"hostPID":1,"hostIPC":"x"}}"#).contains("PodSpec.spec.hostPID"));
        assert!(complaint(r#"{"spec":{"hostIPC":"x","hostPID":1}}"#).contains("PodSpec.spec.hostIPC"));
    }

    #[test]
    fn takes_null_for_an_empty_value_of_any_type() {
        let pod: Pod = decode(&Json::from(
            &json!({"metadata": null, "spec": {"containers": [null, {"name": null}], "hostPID": null}}),
        ))
        .unwrap();
        assert_eq!(pod.spec.unwrap().containers.len(), 2);
    }
}
