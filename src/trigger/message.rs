//! The shapes of messages: one struct with every key that matters in any category, read without copying
//! and without trust. A value of a wrong type is as good as absent.
//!
//! The record carries no envelope (facts: cloudstack 1.1), so that the keys tell the category.

use crate::model::{IpId, NicId, VmId};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, str::FromStr};

/// Every key that some category reads. Key names are CloudStack's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) event: Text<'a>,
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow, default)]
    pub(super) description: Text<'a>,
    /// `com.cloud.vm.VirtualMachine` up to 4.16, `VirtualMachine` since.
    #[serde(borrow, default)]
    pub(super) entity: Text<'a>,
    #[serde(borrow, default, rename = "entityuuid")]
    pub(super) entity_uuid: Text<'a>,
    #[serde(borrow, default, rename = "VirtualMachine")]
    pub(super) vm: Text<'a>,
    #[serde(borrow, default, rename = "Nic")]
    pub(super) nic: Text<'a>,
    #[serde(borrow, default, rename = "NicSecondaryIp")]
    pub(super) secondary_ip: Text<'a>,
    #[serde(borrow, default, rename = "IpAddress")]
    pub(super) ip_address: Text<'a>,
    #[serde(borrow, default, rename = "Network")]
    pub(super) network: Text<'a>,
    /// Not `account`, which is the caller's.
    #[serde(borrow, default, rename = "Account")]
    pub(super) account: Text<'a>,
    #[serde(borrow, default, rename = "Domain")]
    pub(super) domain: Text<'a>,
    /// Not `project`, which is the caller's context.
    #[serde(borrow, default, rename = "Project")]
    pub(super) project: Text<'a>,
    #[serde(borrow, default)]
    pub(super) resource: Text<'a>,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default, rename = "old-state")]
    pub(super) old_state: Text<'a>,
    #[serde(borrow, default, rename = "new-state")]
    pub(super) new_state: Text<'a>,
    #[serde(borrow, default)]
    pub(super) command_event_type: Text<'a>,
    #[serde(borrow, default)]
    pub(super) job_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) instance_type: Text<'a>,
    #[serde(borrow, default)]
    pub(super) instance_uuid: Text<'a>,
    #[serde(default)]
    pub(super) job_result: Part,
    #[serde(default)]
    pub(super) cmd_info: Part,
    #[serde(borrow, default)]
    pub(super) subject: Text<'a>,
    #[serde(borrow, default)]
    pub(super) body: Text<'a>,
}

/// A text, if it is one.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text; empty if there is none.
    pub(super) fn get(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is one, empty or not.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The id that it is, if it is one.
    pub(super) fn id<T: FromStr>(&self) -> Option<T> {
        self.0.as_deref()?.parse().ok()
    }

    /// The last dotted segment: class names became short names in 4.17.
    pub(super) fn thing(&self) -> &str {
        last_segment(self.get())
    }
}

fn last_segment(text: &str) -> &str {
    text.rsplit('.').next().unwrap_or_default()
}

/// The ids of a job's result or of its command. Up to 4.15 both are strings that hold JSON, the result
/// after a prefix `class/key/`; since 4.16 they are objects (facts: cloudstack 1.2).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The VM that a result *is*.
    pub(super) itself: Option<VmId>,
    /// `virtualmachineid`.
    pub(super) vm: Option<VmId>,
    /// `nicid`.
    pub(super) nic: Option<NicId>,
    /// The entities of the command's context.
    pub(super) context: Context,
}

/// `ctxDetails` of a command: entities by the name of their Java interface. Since 4.16 an object, before
/// a string that holds one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) vm: Option<VmId>,
    pub(super) nic: Option<NicId>,
    pub(super) ip: Option<IpId>,
}

/// The `id` of an object; nothing of anything else.
#[derive(Default)]
struct IdOf(Option<VmId>);

/// Writes the parts of a visitor for which every value but the interesting kinds is "nothing".
macro_rules! nothing {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*
    };
    (scalars) => {
        nothing!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            nothing!(scalars);
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for IdOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = IdOf;
            nothing!(scalars);
            nothing!(visit_str: &str);
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = IdOf::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    if key.get() == "id" {
                        found.0 = map.next_value::<Text<'_>>()?.id();
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Part;
            nothing!(scalars);
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let Some(at) = text.find('{') else { return Ok(Part::default()) };
                let (prefix, json) = text.split_at(at);
                let mut parts = prefix.split('/');
                let class = parts.next().unwrap_or_default();
                let is_vm = says_vm(class, parts.next().unwrap_or_default());
                let mut json = serde_json::Deserializer::from_str(json);
                Ok(json.deserialize_map(Object { is_vm }).unwrap_or_default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Object { is_vm: false }.visit_map(map)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Reads the object of a [`Part`]; `is_vm` if a prefix has already said that it is a VM.
struct Object {
    is_vm: bool,
}

impl<'de> Visitor<'de> for Object {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut part = Part::default();
        let (mut id, mut nested, mut is_vm) = (None, None, self.is_vm);
        while let Some(key) = map.next_key::<Text<'_>>()? {
            match key.get() {
                "id" => id = map.next_value::<Text<'_>>()?.id(),
                "virtualmachineid" => part.vm = map.next_value::<Text<'_>>()?.id(),
                "nicid" => part.nic = map.next_value::<Text<'_>>()?.id(),
                "class" => is_vm |= says_vm(map.next_value::<Text<'_>>()?.get(), ""),
                "object" => is_vm |= says_vm("", map.next_value::<Text<'_>>()?.get()),
                "virtualmachine" => nested = map.next_value::<IdOf>()?.0,
                "ctxDetails" => part.context = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        part.itself = nested.or(id.filter(|_| is_vm));
        Ok(part)
    }
}

fn says_vm(class: &str, key: &str) -> bool {
    last_segment(class) == "UserVmResponse" || key == "virtualmachine"
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Context;
            nothing!(scalars);
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let mut json = serde_json::Deserializer::from_str(text);
                Ok(json.deserialize_map(Any).unwrap_or_default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut context = Context::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    match key.thing() {
                        "VirtualMachine" => context.vm = map.next_value::<Text<'_>>()?.id(),
                        "Nic" => context.nic = map.next_value::<Text<'_>>()?.id(),
                        "NicSecondaryIp" | "IpAddress" => context.ip = map.next_value::<Text<'_>>()?.id(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(context)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
