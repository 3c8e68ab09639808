// SPDX-License-Identifier: Apache-2.0

//! The object of a session: opened, loaded, and closed.

use std::collections::BTreeMap;

use aya::{
    Btf, Ebpf, EbpfLoader, Endianness,
    maps::{Map, loaded_maps},
    programs::{Program, ProgramError},
};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use serde_json::{Value, json};

use crate::{
    refusal::Refusal,
    request::{ProgramSettings, Request},
};

/// Of the agent's protocol, which knows an object by its number.
const HANDLE: u64 = 1;
/// Bytes of a name in the kernel.
const LONGEST_NAME: usize = 15;
const WITHOUT_IDS: &str = "can't hand over what it has loaded: kernels before 4.13 have no ids";

#[derive(Default)]
pub struct Session {
    /// By names; the library does not keep them.
    pub sections: BTreeMap<String, String>,
    settings: BTreeMap<String, ProgramSettings>,
    pub ebpf: Option<Ebpf>,
    request: Option<Box<Opened>>,
    btf: Option<Btf>,
}

/// What a load needs of the request that opened the object.
struct Opened {
    object: Vec<u8>,
    max_entries: BTreeMap<String, u32>,
    variables: BTreeMap<String, Vec<u8>>,
}

impl Session {
    pub fn open(&mut self, request: &Request) -> Result<Value, Refusal> {
        self.sections = sections(&request.object.0)?;
        for name in request.programs.keys() {
            if !self.sections.contains_key(name) {
                return Err(Refusal::new(format!(
                    "the object has no program \"{name}\""
                )));
            }
        }
        self.settings = request.programs.clone();
        for (name, settings) in &request.maps {
            if settings.value_size.is_some() {
                return Err(Refusal::unsupported(&format!(
                    "can't set the value size of map {name}"
                )));
            }
            if settings.create == Some(false) {
                return Err(Refusal::unsupported(&format!("can't leave out map {name}")));
            }
        }
        if let Some(path) = &request.btf {
            let parsed = Btf::parse_file(path, Endianness::default())
                .map_err(|error| Refusal::of(&format!("load BTF from {path}"), &error))?;
            self.btf = Some(parsed);
        }
        self.request = Some(Box::new(Opened {
            object: request.object.0.clone(),
            max_entries: request
                .maps
                .iter()
                .filter_map(|(name, it)| Some((name.clone(), it.max_entries?)))
                .collect(),
            variables: request
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), value.0.clone()))
                .collect(),
        }));
        let rows: Vec<Value> = self
            .sections
            .iter()
            .map(|(name, section)| {
                json!({
                    "name": name,
                    "section": section,
                    "type": null,
                    "load": self.loads(name),
                })
            })
            .collect();
        Ok(json!({"handle": HANDLE, "programs": rows, "maps": []}))
    }

    /// Whether a program is loaded: one of an optional section ("?fentry/…") only when
    /// it is asked for.
    fn loads(&self, name: &str) -> bool {
        let asked = self.settings.get(name).and_then(|it| it.load);
        asked.unwrap_or_else(|| !self.sections[name].starts_with('?'))
    }

    /// Of "fentry/vfs_read" what follows the slash, or that of what the suite sets.
    fn target(&self, name: &str) -> String {
        let settings = self.settings.get(name).and_then(|it| it.target.as_ref());
        let place = settings.unwrap_or(&self.sections[name]);
        place
            .split_once('/')
            .map(|(_, target)| target.to_string())
            .unwrap_or_default()
    }

    pub fn load(&mut self) -> Result<Value, Refusal> {
        let opened = self
            .request
            .take()
            .ok_or_else(|| Refusal::new("loader: no object is open".to_string()))?;
        let mut loader = EbpfLoader::new();
        if let Some(btf) = &self.btf {
            loader.btf(Some(btf));
        }
        // Their programs use them, whether or not user space can.
        loader.allow_unsupported_maps();
        for (name, entries) in &opened.max_entries {
            loader.map_max_entries(name, *entries);
        }
        for (name, value) in &opened.variables {
            loader.override_global(name, value.as_slice(), true);
        }
        let mut ebpf = loader
            .load(&opened.object)
            .map_err(|error| Refusal::of("", &error))?;
        let mut programs = Vec::new();
        let wanted: Vec<String> = self
            .sections
            .keys()
            .filter(|it| self.loads(it))
            .cloned()
            .collect();
        for name in &wanted {
            let program = ebpf
                .program_mut(name)
                .ok_or_else(|| Refusal::unsupported(&format!("does not find program {name}")))?;
            self.load_program(name, program)?;
            let info = program
                .info()
                .map_err(|error| Refusal::of(&format!("program {name}"), &error))?;
            if info.id() == 0 {
                return Err(Refusal::unsupported(WITHOUT_IDS));
            }
            programs.push(json!({"name": name, "id": info.id()}));
        }
        let mut maps = Vec::new();
        for (name, map) in ebpf.maps() {
            maps.push(json!({"name": name, "id": map_id(name, map)?}));
        }
        self.ebpf = Some(ebpf);
        Ok(json!({"programs": programs, "maps": maps}))
    }

    fn load_program(&mut self, name: &str, program: &mut Program) -> Result<(), Refusal> {
        let target = self.target(name);
        let done = match program {
            Program::KProbe(it) => it.load(),
            Program::UProbe(it) => it.load(),
            Program::TracePoint(it) => it.load(),
            Program::RawTracePoint(it) => it.load(),
            Program::SocketFilter(it) => it.load(),
            Program::Xdp(it) => it.load(),
            Program::SkMsg(it) => it.load(),
            Program::SkSkb(it) => it.load(),
            Program::SockOps(it) => it.load(),
            Program::SchedClassifier(it) => it.load(),
            Program::CgroupSkb(it) => it.load(),
            Program::CgroupSock(it) => it.load(),
            Program::CgroupSockAddr(it) => it.load(),
            Program::CgroupSockopt(it) => it.load(),
            Program::CgroupSysctl(it) => it.load(),
            Program::CgroupDevice(it) => it.load(),
            Program::PerfEvent(it) => it.load(),
            Program::SkLookup(it) => it.load(),
            Program::Lsm(it) => it.load(&target, self.kernel_btf()?),
            Program::BtfTracePoint(it) => it.load(&target, self.kernel_btf()?),
            Program::FEntry(it) => it.load(&target, self.kernel_btf()?),
            Program::FExit(it) => it.load(&target, self.kernel_btf()?),
            Program::Iter(it) => it.load(&target, self.kernel_btf()?),
            _ => {
                return Err(Refusal::unsupported(&format!(
                    "can't load program {name} of section {}",
                    self.sections[name]
                )));
            }
        };
        done.map_err(|error| match error {
            ProgramError::Btf(ref cause) if !target.is_empty() => Refusal::of(
                &format!("program {name}: {}: BTF error", self.sections[name]),
                cause,
            ),
            other => Refusal::of_load(name, &other),
        })
    }

    /// The types that programs attach by, which are always the kernel's own.
    fn kernel_btf(&mut self) -> Result<&Btf, Refusal> {
        if self.btf.is_none() {
            let found = Btf::from_sys_fs().map_err(|error| Refusal::of("BTF error", &error))?;
            self.btf = Some(found);
        }
        self.btf
            .as_ref()
            .ok_or_else(|| Refusal::new("loader: aya lost the kernel's BTF".to_string()))
    }

    /// Detaches and unloads everything.
    pub fn close(&mut self) -> Value {
        *self = Self::default();
        json!({})
    }
}

/// The sections of an object's programs, by the programs' names.
fn sections(data: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let file = object::File::parse(data)
        .map_err(|error| Refusal::new(format!("error parsing ELF data: {error}")))?;
    let mut found = BTreeMap::new();
    for symbol in file.symbols() {
        let is_function = symbol.kind() == SymbolKind::Text && symbol.is_global();
        let Some(index) = symbol.section_index().filter(|_| is_function) else {
            continue;
        };
        let (Ok(section), Ok(name)) = (file.section_by_index(index), symbol.name()) else {
            continue;
        };
        let Ok(section_name) = section.name() else {
            continue;
        };
        // Functions of .text are called by programs.
        if section.kind() == SectionKind::Text && section_name != ".text" {
            found.insert(name.to_string(), section_name.to_string());
        }
    }
    Ok(found)
}

fn map_id(name: &str, map: &Map) -> Result<u32, Refusal> {
    let data = match map {
        Map::Array(it)
        | Map::BloomFilter(it)
        | Map::CpuMap(it)
        | Map::DevMap(it)
        | Map::DevMapHash(it)
        | Map::HashMap(it)
        | Map::LpmTrie(it)
        | Map::LruHashMap(it)
        | Map::PerCpuArray(it)
        | Map::PerCpuHashMap(it)
        | Map::PerCpuLruHashMap(it)
        | Map::PerfEventArray(it)
        | Map::ProgramArray(it)
        | Map::Queue(it)
        | Map::RingBuf(it)
        | Map::SockHash(it)
        | Map::SockMap(it)
        | Map::Stack(it)
        | Map::StackTraceMap(it)
        | Map::Unsupported(it)
        | Map::XskMap(it) => it,
        // Those that only some versions of the library know.
        _ => return id_by_name(name),
    };
    let info = data
        .info()
        .map_err(|error| Refusal::of(&format!("map {name}"), &error))?;
    if info.id() == 0 {
        return Err(Refusal::unsupported(WITHOUT_IDS));
    }
    Ok(info.id())
}

/// The newest map of a name: nobody else loads anything in this guest.
fn id_by_name(name: &str) -> Result<u32, Refusal> {
    let short = &name[..name.len().min(LONGEST_NAME)];
    loaded_maps()
        .flatten()
        .filter(|it| it.name_as_str() == Some(short))
        .map(|it| it.id())
        .max()
        .ok_or_else(|| Refusal::unsupported(&format!("does not show the id of map {name}")))
}
