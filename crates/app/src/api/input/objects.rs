//! Where a body says an object, only an object is taken. What serde derives would also take the
//! members' values as a list, in the order in which our types happen to hold them: nobody means
//! that, and it would end with the next member.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt;

/// A value that is read with every member under its name, at any depth.
pub struct Named<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        T::deserialize(Within(input)).map(Self)
    }
}

/// A part of the reader: it hands on what it is asked, asks for a map where a struct is wanted, and
/// wraps what lies inside in the same way.
struct Within<R>(R);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Within<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Within(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Within(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Within(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Within(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Within(visitor))
    }

    /// Words of a list. None of ours holds members.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    /// What is passed over is not looked into.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    // JSON says by itself what a value is; the visitor refuses what it does not want.
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier
    }
}

macro_rules! hand_on {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    hand_on! {
        visit_bool(bool)
        visit_i64(i64)
        visit_u64(u64)
        visit_f64(f64)
        visit_str(&str)
        visit_borrowed_str(&'de str)
        visit_string(String)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Within(input))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, input: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Within(input))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Within(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(members))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Within(input))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        place: String,
        size: Option<i64>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        pair: (u8, f64),
        rest: Option<Value>,
    }

    fn read(text: &str) -> Result<Outer, String> {
        let read = serde_json::from_str::<Named<Outer>>(text);
        read.map(|named| named.0).map_err(|error| said(&error))
    }

    /// What is wrong, without where.
    fn said(error: &serde_json::Error) -> String {
        let text = error.to_string();
        text.split_once(" at line ").map_or(text.clone(), |(said, _)| said.to_owned())
    }

    #[test]
    fn members_have_their_names_at_every_depth() {
        for text in [
            r#"["a", null, [], [1, 2.0], null]"#,
            r#"{"name": "a", "inner": ["p", 1]}"#,
            r#"{"name": "a", "list": [{"place": "p"}, ["p", 1]]}"#,
        ] {
            assert!(serde_json::from_str::<Outer>(text).is_ok(), "serde alone takes {text}");
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with("invalid type: sequence, expected struct"), "{refused}");
        }
    }

    #[test]
    fn what_is_written_well_reads_as_ever() {
        let text = r#"{"name": "a\n", "inner": {"place": "p", "size": -1}, "list": [{"place": "q"}],
            "pair": [7, 1], "rest": {"deep": [[1], {"x": null}], "t": true}}"#;
        let plain: Outer = serde_json::from_str(text).unwrap();
        assert_eq!(read(text), Ok(plain));
        for wrong in [
            r#"{"name": 5}"#,
            r#"{"name": "a", "other": {}}"#,
            r#"{"name": "a", "name": "b"}"#,
            r#"{"name": "a", "pair": [256, 1]}"#,
            r#"{"name": "a", "inner": {"place": "p", "size": 1.5}}"#,
            "{}",
        ] {
            let plain = serde_json::from_str::<Outer>(wrong).unwrap_err();
            assert_eq!(read(wrong), Err(said(&plain)), "{wrong}");
        }
    }
}
