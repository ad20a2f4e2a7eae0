//! Strict JSON, as in the API description: an object must be an object.
//!
//! The implementation that serde derives for a struct also accepts a list of its members in order, at any
//! depth. The API's description does not allow this.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use crate::wording;

/// Reads a body.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, social_channel::Error> {
    let wrong =
        |error: serde_path_to_error::Error<Error>| wording::of_body(&error.path().to_string(), error.inner());
    // The first reading minds members that come twice, and what stands behind the end.
    let mut text = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize::<_, T>(&mut text).map_err(wrong)?;
    let whole = text.end().and_then(|()| serde_json::from_slice(bytes));
    let whole = whole.map_err(|error| wording::of_body(".", &error))?;
    serde_path_to_error::deserialize(Strict(whole)).map_err(wrong)
}

struct Strict(Value);

fn kind(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(_) => Unexpected::Other("number"),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

impl<'de> IntoDeserializer<'de, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Strict(value)));
                let mut members = MapDeserializer::new(members);
                let value = visitor.visit_map(&mut members)?;
                members.end()?;
                Ok(value)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.0.is_object() {
            return Err(Error::invalid_type(kind(&self.0), &visitor));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Choice { name, value: None }),
            Value::Object(members) => {
                let mut members = members.into_iter();
                match (members.next(), members.next()) {
                    (Some((name, value)), None) => visitor.visit_enum(Choice { name, value: Some(value) }),
                    _ => Err(Error::invalid_value(Unexpected::Map, &"an object with one member")),
                }
            }
            other => Err(Error::invalid_type(kind(&other), &"text, or an object with one member")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// One of several variants, by its name.
struct Choice {
    name: String,
    value: Option<Value>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name: serde::de::value::StringDeserializer<Error> = self.name.clone().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None | Some(Value::Null) => Ok(()),
            Some(value) => Err(Error::invalid_type(kind(&value), &"nothing")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(Strict(self.value.unwrap_or_default()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Strict(self.value.unwrap_or_default()).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        members: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Strict(self.value.unwrap_or_default()).deserialize_struct("", members, visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use social_channel::{AppConfig, JobChange, PublishRequest, Resolution};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        None,
        Round(f64),
        Square { side: u8 },
        Pair(u8, i64),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Whole {
        shape: Shape,
        parts: Option<Vec<Part>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Part {
        name: String,
    }

    #[test]
    fn lists_are_not_taken_for_objects_at_any_depth() {
        for bad in
            [r#"["none", null]"#, r#"{"shape": "none", "parts": [["a"]]}"#, r#"{"shape": {"square": [3]}}"#]
        {
            assert!(serde_json::from_str::<Whole>(bad).is_ok(), "serde takes {bad}");
            assert!(read::<Whole>(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in
            [r#"{"post": ["video", null, "x", null]}"#, r#"{"post": {"kind": "text"}, "media": [["a"]]}"#]
        {
            assert!(read::<PublishRequest>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read::<AppConfig>(br#"{"listing": ["https://a.app"]}"#).is_err());
        assert!(read::<Resolution>(b"[true]").is_err());
    }

    #[test]
    fn what_serde_takes_otherwise_is_taken_alike() {
        for good in [
            r#"{"shape": "none", "parts": null}"#,
            r#"{"shape": {"none": null}}"#,
            r#"{"shape": {"round": 1}, "parts": []}"#,
            r#"{"shape": {"round": 1.5}, "parts": [{"name": "a"}, {"name": "ü"}]}"#,
            r#"{"shape": {"square": {"side": 255}}, "other": [1, {"a": []}]}"#,
            r#"{"shape": {"pair": [1, -9223372036854775808]}}"#,
        ] {
            assert_eq!(
                read::<Whole>(good.as_bytes()).unwrap(),
                serde_json::from_str(good).unwrap(),
                "{good}"
            );
        }
        for bad in [
            "",
            "{",
            r#"{"shape": "round"}"#,
            r#"{"shape": {"square": {"side": 256}}}"#,
            r#"{"shape": {"round": 1, "none": null}}"#,
            r#"{"shape": "none", "shape": "none"}"#,
            r#"{"shape": {"pair": [1]}}"#,
        ] {
            assert!(read::<Whole>(bad.as_bytes()).is_err(), "{bad}");
        }
        let body = r#"{"post": {"kind": "video", "text": "x", "options": {"a": true, "b": 3, "c": ["d"]}},
            "media": [{"upload": "up_1", "alt_text": "y"}], "publish_at": 7}"#;
        let read: PublishRequest = read(body.as_bytes()).unwrap();
        assert_eq!(
            format!("{read:?}"),
            format!("{:?}", serde_json::from_str::<PublishRequest>(body).unwrap())
        );
        assert_eq!(super::read::<JobChange>(br#"{"priority": 3}"#).unwrap().priority, Some(3));
    }
}
