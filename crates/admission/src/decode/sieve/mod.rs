//! A pod with what Pod Security reads of it. All else is held against its type, so that what the whole pod's type
//! would refuse is refused, but not kept: most of a pod is strings that nobody looks at.

mod check;
mod shape;

use check::Check;
use k8s_openapi::api::core::v1 as core;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};
use shape::Shape;
use std::{fmt, sync::LazyLock};

/// Reads a pod without the fields that no control, exemption or waiver reads. `None` if it is not well formed.
pub(crate) fn pod(json: &str) -> Option<core::Pod> {
    let mut from = serde_json::Deserializer::from_str(json);
    let pod = core::Pod::deserialize(Sieve(&mut from)).ok()?;
    from.end().ok()?;
    Some(pod)
}

/// A structure of a pod, and its fields that are not kept.
type Unread = (&'static str, Box<[(&'static str, Shape)]>);

/// Those structures through which one gets to the fields. A field whose shape cannot be told is read as ever.
static UNREAD: LazyLock<[Unread; 9]> = LazyLock::new(|| {
    [
        unread::<core::Pod>("Pod", &["status"]),
        unread::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>("ObjectMeta", &["managedFields"]),
        unread::<core::PodSpec>("PodSpec", OF_SPEC),
        unread::<core::Container>("Container", OF_CONTAINER),
        unread::<core::EphemeralContainer>("EphemeralContainer", OF_CONTAINER),
        unread::<core::Volume>("Volume", &[]),
        unread::<core::ProjectedVolumeSource>("ProjectedVolumeSource", &["sources"]),
        unread::<core::ConfigMapVolumeSource>("ConfigMapVolumeSource", &["items"]),
        unread::<core::SecretVolumeSource>("SecretVolumeSource", &["items"]),
    ]
});

const OF_SPEC: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "resources",
    "restartPolicy",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
];

const OF_CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "imagePullPolicy",
    "resizePolicy",
    "resources",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

fn unread<T: DeserializeOwned>(name: &'static str, fields: &[&'static str]) -> Unread {
    (name, fields.iter().filter_map(|field| Some((*field, shape::of_field::<T>(field)?))).collect())
}

/// Stands between a type and where its fields come from.
struct Sieve<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Sieve<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Through(visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_seq(Through(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match UNREAD.iter().find(|(known, _)| *known == name) {
            Some((_, unread)) => self.0.deserialize_struct(name, fields, Fields { visitor, unread }),
            None => self.0.deserialize_struct(name, fields, visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_bool(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_i32(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_i64(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_string(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

/// Hands the sieve on to what is in a list, or may be left out.
struct Through<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Through<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Sieve(from))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Through(items))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Through<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Through(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Through<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Sieve(from))
    }
}

/// The fields of a structure, of which some are not kept.
struct Fields<V> {
    visitor: V,
    unread: &'static [(&'static str, Shape)],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Kept { entries, unread: self.unread })
    }
}

struct Kept<A> {
    entries: A,
    unread: &'static [(&'static str, Shape)],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Kept<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        // A name without escapes is borrowed from the text; no field's name needs any.
        while let Some(name) = self.entries.next_key::<&'de str>()? {
            match check::known(self.unread, name) {
                Some(shape) => self.entries.next_value_seed(Check(shape))?,
                None => return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.entries.next_value_seed(Through(seed))
    }
}

#[cfg(test)]
mod tests;
