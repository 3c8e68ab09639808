// SPDX-License-Identifier: Apache-2.0

//! Requests, with the arguments of all operations.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error};

#[derive(Deserialize)]
pub struct Request {
    pub id: u64,
    pub op: String,
    #[serde(default)]
    pub object: Bytes,
    pub btf: Option<String>,
    #[serde(default)]
    pub programs: BTreeMap<String, ProgramSettings>,
    #[serde(default)]
    pub maps: BTreeMap<String, MapSettings>,
    #[serde(default)]
    pub variables: BTreeMap<String, Bytes>,
    pub program: Option<String>,
    pub target: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
pub struct ProgramSettings {
    pub load: Option<bool>,
    /// What is looked up when the program loads: "fentry/vfs_read".
    pub target: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
pub struct MapSettings {
    pub max_entries: Option<u32>,
    pub value_size: Option<u32>,
    pub create: Option<bool>,
}

/// Base64 in JSON.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}
