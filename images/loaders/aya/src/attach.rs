// SPDX-License-Identifier: Apache-2.0

//! Attaching programs, as their sections or a suite say.

use std::fs::File;

use aya::programs::{
    CgroupAttachMode, Program, ProgramError,
    perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent},
    uprobe::UProbeScope,
    xdp::XdpMode,
};
use serde_json::{Value, json};

use crate::{object::Session, refusal::Refusal, request::Request};

/// Samples a second.
const SAMPLE_FREQUENCY: u64 = 1000;

impl Session {
    pub fn attach(&mut self, request: &Request) -> Result<Value, Refusal> {
        let name = request.program.as_deref().unwrap_or_default();
        let section = self.sections.get(name).cloned().unwrap_or_default();
        let program = self
            .ebpf
            .as_mut()
            .and_then(|it| it.program_mut(name))
            .ok_or_else(|| Refusal::new(format!("the object has no program \"{name}\"")))?;
        let place = request
            .target
            .as_deref()
            .unwrap_or_else(|| section.trim_start_matches('?'));
        let (kind, target) = place.split_once('/').unwrap_or((place, ""));
        if target.is_empty() {
            return Ok(json!({"attached": false}));
        }
        let done = by_place(program, kind, target, request.target.is_some())?;
        match done {
            None => Ok(json!({"attached": false})),
            Some(Ok(())) => Ok(json!({"attached": true})),
            Some(Err(error)) => Err(Refusal::of(&format!("attach {name} to {place}"), &error)),
        }
    }
}

/// Attaches a program. None is one that nothing attaches by its section, with any
/// library; `named` is a place that the suite names.
fn by_place(
    program: &mut Program,
    kind: &str,
    target: &str,
    named: bool,
) -> Result<Option<Result<(), ProgramError>>, Refusal> {
    let unsupported = || {
        Refusal::unsupported(&format!(
            "can't attach to {kind}/{target}: no function of the library does"
        ))
    };
    let done = match (program, kind) {
        (Program::KProbe(it), "kprobe" | "kretprobe") => {
            let (function, offset) = offset_of(target)?;
            it.attach(function, offset).map(drop)
        }
        (Program::TracePoint(it), "tracepoint" | "tp") => {
            let (category, event) = target.split_once('/').unwrap_or((target, ""));
            it.attach(category, event).map(drop)
        }
        (Program::RawTracePoint(it), "raw_tracepoint" | "raw_tp") => it.attach(target).map(drop),
        (Program::FEntry(it), _) => it.attach().map(drop),
        (Program::FExit(it), _) => it.attach().map(drop),
        (Program::BtfTracePoint(it), _) => it.attach().map(drop),
        (Program::Lsm(it), _) => it.attach().map(drop),
        (Program::Iter(it), _) => it.attach().map(drop),
        (Program::UProbe(it), "uprobe" | "uretprobe" | "uprobe.s" | "uretprobe.s") => {
            let (path, symbol) = target
                .rsplit_once(':')
                .ok_or_else(|| Refusal::new(format!("{target} is not PATH:SYMBOL")))?;
            it.attach(symbol, path, UProbeScope::AllProcesses).map(drop)
        }
        (Program::PerfEvent(it), "perf_event") if target == "cpu-clock" => it
            .attach(
                PerfEventConfig::Software(SoftwareEvent::CpuClock),
                PerfEventScope::AllProcessesOneCpu { cpu: 0 },
                SamplePolicy::Frequency(SAMPLE_FREQUENCY),
                false,
            )
            .map(drop),
        (Program::Xdp(it), "xdp") if named => it.attach(target, XdpMode::default()).map(drop),
        (Program::SockOps(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::CgroupDevice(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::CgroupSock(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::CgroupSockAddr(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::CgroupSockopt(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::CgroupSysctl(it), "cgroup") if named => {
            let group = folder(target)?;
            it.attach(group, CgroupAttachMode::Single).map(drop)
        }
        (Program::KProbe(_) | Program::UProbe(_) | Program::PerfEvent(_), _) => {
            return Err(unsupported());
        }
        _ if named => return Err(unsupported()),
        _ => return Ok(None),
    };
    Ok(Some(done))
}

fn folder(path: &str) -> Result<File, Refusal> {
    File::open(path).map_err(|error| Refusal::of(path, &error))
}

/// Splits "function+0x10".
fn offset_of(target: &str) -> Result<(&str, u64), Refusal> {
    let Some((function, text)) = target.split_once('+') else {
        return Ok((target, 0));
    };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number
        .map(|it| (function, it))
        .map_err(|error| Refusal::new(format!("{target}: {error}")))
}
