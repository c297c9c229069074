//! The shape of a listing's answer, read without trust: unknown fields are skipped, a value of a wrong
//! type is that value's own misfortune, an item that cannot be read does not spoil its page.

use super::{ApiError, answer};
use crate::model::VmId;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use std::{borrow::Cow, fmt, marker::PhantomData};

/// An item that cannot be read, with its id if that much can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread(pub(super) Option<VmId>);

/// What a command lists.
pub(super) trait Listed: Sized + Send + 'static {
    /// The command that lists it.
    const COMMAND: &'static str;
    /// An item as it stands in the answer.
    type Wire<'a>: Deserialize<'a>;
    /// Reads an item.
    fn read(wire: Self::Wire<'_>) -> Result<Self, Unread>;
}

/// One page of a listing.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// What the API counts over all pages.
    pub(super) count: Option<u64>,
    /// Items on this page, readable or not.
    pub(super) len: usize,
    /// The readable ones.
    pub(super) good: Vec<T>,
    /// The others.
    pub(super) unread: Vec<Unread>,
}

/// Reads a page. Fast and borrowing where the answer is sound; item by item, over a copy, where it is not
/// (a field twice, bytes that are no UTF-8).
pub(super) fn page<T: Listed>(bytes: &[u8]) -> Result<Page<T>, ApiError> {
    let fast: Result<WirePage<T::Wire<'_>>, ApiError> = answer::response(T::COMMAND, bytes);
    let err = match fast {
        Ok(page) => return Ok(page.read(|wire| T::read(wire))),
        Err(err) => err,
    };
    let copy = String::from_utf8_lossy(bytes);
    match answer::response::<WirePage<serde_json::Value>>(T::COMMAND, copy.as_bytes()) {
        Ok(page) => Ok(page.read(|value| match T::Wire::deserialize(&value) {
            Ok(wire) => T::read(wire),
            Err(_) => Err(Unread(None)),
        })),
        Err(_) => Err(err),
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct WirePage<T> {
    #[serde(default, deserialize_with = "count")]
    count: Option<u64>,
    #[serde(
        default,
        alias = "virtualmachine",
        alias = "account",
        alias = "domain",
        alias = "project",
        alias = "dnszone",
        deserialize_with = "items"
    )]
    items: Vec<Item<T>>,
}

impl<T> WirePage<T> {
    fn read<U>(self, mut read: impl FnMut(T) -> Result<U, Unread>) -> Page<U> {
        let mut page =
            Page { count: self.count, len: self.items.len(), good: Vec::new(), unread: Vec::new() };
        page.good.reserve(page.len);
        for item in self.items {
            let item = match item {
                Item::Object(wire) => read(wire),
                Item::Other => Err(Unread(None)),
            };
            match item {
                Ok(good) => page.good.push(good),
                Err(unread) => page.unread.push(unread),
            }
        }
        page
    }
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Field::deserialize(deserializer)?.text().and_then(|count| count.parse().ok()))
}

fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<Item<T>>, D::Error> {
    match List::deserialize(deserializer)? {
        List::Absent => Ok(Vec::new()),
        List::Items(items) => Ok(items),
        List::Other => Err(D::Error::custom("the items are no list")),
    }
}

/// A scalar of whatever type the version at hand writes it in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Not there, or null.
    #[default]
    Absent,
    /// Text, or a number or truth value as text.
    Text(Cow<'a, str>),
    /// An object or a list where a scalar belongs.
    Other,
}

impl Field<'_> {
    /// The text, if there is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }

    /// The text, if there is one that is not empty: CloudStack writes absent values both ways.
    pub(super) fn given(&self) -> Option<&str> {
        self.text().filter(|text| !text.is_empty())
    }
}

/// A list, and whether it is one.
#[derive(Debug, Default)]
pub(super) enum List<T> {
    /// Not there, or null.
    #[default]
    Absent,
    /// Its items.
    Items(Vec<Item<T>>),
    /// Something else.
    Other,
}

/// An item of a list.
#[derive(Debug)]
pub(super) enum Item<T> {
    /// An object, as it belongs.
    Object(T),
    /// Anything else.
    Other,
}

/// Writes the visitor of a type that takes one kind of value and calls everything else `Other`.
macro_rules! others {
    ($other:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($other)
        }
    };
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Item<T>;
            others!(Item::Other);
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Item::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Item::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Item::Object)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = List<T>;
            others!(List::Other);
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(List::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List::Items(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(List::Other)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Field<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Borrowed(if v { "true" } else { "false" })))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Field::Text(v.to_string().into()))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Field::Text(v.to_string().into()))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Field::Text(v.to_string().into()))
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Owned(v.to_owned())))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Field::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
