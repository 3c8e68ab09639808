"""Examples of what stands in a suite.yaml: each key of each model is in one of them."""

from typing import Any

import yaml

# Model → examples, as they are written.
OF_SUITE = {
    "Suite": (
        """\
name: task
was: [tasks, myproject]
description: Fields of a task read true.
reuse: object
cases:
  - {name: pid, object: task.bpf.c, expect: [{map: pids, equals: 1}]}""",
    ),
    "Case": (
        """\
name: state
was: [task_state]
description: state up to 5.13, __state from 5.14 on.
object: task.bpf.c
vmlinux: "6.1"
loader: {"<4.15": compat}
programs: {helper: {load: false}}
alternatives: [[on_fentry, on_kprobe]]
maps: {stacks: {max_entries: 1024, value_size: 1016}}
variables: {wanted_pid: "${agent.pid}", wanted_comm: sleeper, slots: [1, 2]}
kernels: ">=4.8"
config: [CONFIG_FTRACE_SYSCALLS=y]
reason: bpf_get_current_task() was added in 4.8
must_run: true
must_attach: true
trigger: [{fork: sleeper, save: child}]
truth: {state: {proc: "/proc/${child.pid}/stat", field: 3}}
expect: [{value: "${truth.state}", equals: S}]""",
        """\
name: refused
object: loop.bpf.c
attach: false
expect_failure: {class: loop_unsupported, reason: before 5.3 there are no loops}""",
        """\
name: my_loader
files: [loader, tool.bpf.o]
trigger: [{command: ["${files.folder}/loader", --once], exit: 0}]
expect: [{value: "${command.stdout}", matches: "loaded.*"}]""",
    ),
    "Program": (
        "{load: false}",
        '{load: {"<5.17": false}, attach: fentry/vfs_read}',
        '{attach: {"<4.17": kprobe/sys_getpgid, ">=4.17": kprobe/__x64_sys_getpgid}}',
    ),
    "Map": (
        "{max_entries: 1024, value_size: 1016}",
        '{create: {"<5.8": false}}',
    ),
    "ExpectedFailure": (
        '{kernels: "<4.6", class: map_type_missing, reason: added in 4.6}',
    ),
    "Fork": ("{fork: sleeper, spin: 0.3, save: child}",),
    "Syscall": ("{syscall: getpgid, times: 100, save: calls}",),
    "Sleep": ("{sleep: 0.5, save: rest}",),
    "Udp": ("{udp: 120, port: 53, times: 3, options: [freebind], save: packets}",),
    "Command": (
        "{command: [cat, /proc/version], timeout: 5, exit: 0, save: reader}",
        """\
command: ["${files.folder}/loader", "${files.folder}/tool.bpf.o"]
background: true
until: ^ready
stop: INT""",
    ),
    "TestRun": (
        "{test_run: count, data: ffffffffffff 020000000001 0800, skb: {mark: 7}, "
        "repeat: 2, save: run}",
    ),
    "Pipe": ("{pipe: 100, writes: 3, save: pipe}",),
    "Drain": (
        '{drain: events, struct: started, where: {pid: "${child.pid}"}, save: event}',
        '{drain: events, fields: {pid: s32@8, comm: "char[16]@40"}}',
    ),
    "Iterate": ("{iterate: dump_task, save: tasks}",),
    "ProcTruth": (
        '{proc: "/proc/${child.pid}/status", line: CapEff, base: 16}',
        '{proc: "/proc/${child.pid}/stat", field: 4}',
        "{proc: /proc/version, pattern: 'version (\\d+)'}",
    ),
    "CommandTruth": (
        "{command: [stat, -c, '%i', /], field: 1, pattern: '\\d+', base: 10}",
    ),
    "RowsExpectation": (
        "{map: sizes, rows: [{key: 0, value: {length: 28}}], match: includes}",
    ),
    "ShowExpectation": (
        "{program: count, show: {type: socket_filter}}",
        "{map: sizes, show: {type: hash, max_entries: 64}}",
    ),
    "CodeExpectation": (
        "{program: count, xlated: [{offset_of: task_struct.pid}, {map: sizes}]}",
        "{program: count, relocated: [{poison: true}]}",
    ),
    "ValueExpectation": (
        '{value: "${truth.pages}", equals: 300, within: 32}',
        '{value: "${run.retval}", between: [0, 1500]}',
        '{value: "${udp.sent}", one_of: [1, 2]}',
        '{value: "${command.stdout}", matches: "ready.*"}',
        '{value: "${truth.flags}", mask: 0xff, equals: 3}',
    ),
    "MapExpectation": (
        '{map: tasks, key: "${child.pid}", field: state, equals: 1}',
        "{map: flags, key: {row: 1}, mask: 0xff, one_of: [1, 3]}",
        "{map: totals, key: 0, cpu: sum, between: [1, 9]}",
        "{map: pages, key: 0, equals: 300, within: 32}",
        '{map: names, key: 0, matches: "ki.*"}',
        "{map: totals, key: 1, raw: true, equals: 0x01 0x00}",
    ),
    "Instruction": (
        "{offset_of: task_struct.thread.fsbase}",
        "{size_of: task_struct.comm}",
        "{map: sizes}",
        "{number: 42}",
        "{poison: true}",
    ),
}


def put_into(schema: dict[str, Any]) -> None:
    """Give each model of a suite's JSON Schema its examples."""
    for name, texts in OF_SUITE.items():
        model = schema if name == schema["title"] else schema["$defs"][name]
        model["examples"] = [yaml.safe_load(text) for text in texts]
