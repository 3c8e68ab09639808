"""Every warning of the libbpf in Debian's kernel source, compared with the classes.

What has no class is a decision, written down here with its reason.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.failures.classes import UNCLASSIFIED
from runner.failures.classify import classify
from tests.unit.preflight.selftests import Unavailable, source

pytestmark = pytest.mark.selftests

FILES = ("libbpf", "btf", "relo_core", "usdt", "elf", "netlink", "features")
WANTED = re.compile(rf"[^/]+/tools/lib/bpf/({'|'.join(FILES)})\.c")
WARNING = re.compile(r'\bpr_warn\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
# What printf's conversions become: an error at the end, a number, digits, a word.
FILLED = (
    (re.compile(r"(?<=: )%s$|(?<=: )%d$"), "Invalid argument"),
    (re.compile(r"%-?\d*(?:l{0,2}|z)[du]"), "3"),
    (re.compile(r"%#?0?\d*(?:l{0,2}|z)x"), "1f"),
    (re.compile(r"%c"), "y"),
    (re.compile(r"%s"), "name"),
)
# By why they have none. Each is a regular expression for the message's beginning.
WITHOUT = (
    # Another message says more: of the verifier, of what was relocated or created.
    r"failed to load|prog 'name': (failed to (load|prepare|relocate|"
    r"perform|initial|add subprog|bind|realloc)|error relocating|"
    r"relo #3: (failed to|parsing|error matching|target candidate)|"
    r"-- BEGIN|BPF program load failed)|failed to perform|-- BEGIN|"
    r"Error finalizing|Retrying|Error in bpf_create_map|Preprocessing|"
    r"Loading the|map 'name': failed to create",
    # Memory of the process is short, or a mistake of libbpf itself.
    r".*(alloc|enough memory|out of memory|strdup|"
    r"[Ii]nternal error|dummy_ksym|init libelf|libelf for)",
    # The agent does not call it: skeletons, perf buffers, pins, links.
    r".*(skeleton|perf buffer|perf_buffer|perf FD|perf event buffer|"
    r"cpu_buf|CPU|cpu mask|epoll|page count|perf sample|"
    r"processing records|PERF_EVENT_ARRAY|auto-att|is not a datasec|"
    r"can't (pin|unpin|attach|use|load|associate|set)|invalid (map|"
    r"program) pointer|pre-proc|instance|can't be attempted|"
    r"doesn't (match|belong)|not yet loaded|must all be specified|"
    r"cannot be resized|resize|already specified|before map creation|"
    r"same bpf object|unexpected (key|value) size|exclusive|open link|"
    r"perf_event FD|invalid perf event|context value|from pfd|unpin|"
    r"relative_fd|ifindex cannot|supply none|only BPF_PROG_TYPE_EXT|"
    r"unsupported map type|mkdir|statfs|requires binary_path|prog's BTF|"
    r"attach before loaded|mismatch in|new version of|inconsistent nr)",
    # The machine, not the object: /proc, limits, ids of BTF.
    r".*(ulimit|RLIMIT|procfs|kallsyms|available_filter|BTF object|"
    r"get_info_by_fd|get BTF 3|program doesn't have BTF|module \[name\]|"
    r"load trivial|simple array|Detection of|unexpectedly|Netlink|"
    r"vmlinux BTF is not found|map info|zip: |kernel version|BTF FD|"
    r"fd index|perf type|retprobe bit|read kernel BTF)",
    # Contents of maps: the kernel took the map, and not its values.
    r"(map 'name': failed to (set initial|freeze|re-mmap|mmap arena|"
    r"create inner)|Error (setting|freezing)|failed to re-mmap)",
    # Files that only `btf__parse()` and others of its kind read.
    r"(failed to (get|open|find) .*(name|as ELF file|ELF section)|"
    r"unexpected section type|BTF\.ext header|unexpected (reference|"
    r"kind) .*base|map:name|elf: (could not|ambiguous|'name' is 0|"
    r"failed to find))",
    # It is only a note.
    r".*(deprecated|truncated|isn't referenced|using path as is|"
    r"skipping)",
    # The words in it are made of parts; tests/unit/failures/test_classify.py has them.
    r".*(legacy [ku]probe event|legacy kprobe|legacy uprobe|perf event|"
    r"event ID|perf_event_open|to name '|attach to (tracepoint|multi)|"
    r"BTF type ID|BTF ID for|unsupported BTF_KIND|attach program FD|"
    r"missing BPF prog type|open name: )",
)
MOST_WITHOUT_CLASS = 0.02


def messages(folder: Path) -> Iterator[str]:
    """Yield each warning once, with something in its conversions."""
    top = source(folder, WANTED) / "tools/lib/bpf"
    seen = set()
    for name in FILES:
        if not (top / f"{name}.c").exists():
            continue
        for match in WARNING.finditer((top / f"{name}.c").read_text()):
            words = "".join(TEXT.findall(match[1])).replace("\\n", "")
            words = words.replace('\\"', '"')
            for pattern, filled in FILLED:
                words = pattern.sub(filled, words)
            if words not in seen:
                seen.add(words)
                yield words


def class_of(message: str) -> str:
    names = (
        classify(f"libbpf: {message}\n", operation, "EINVAL").name
        for operation in ("open", "load", "attach")
    )
    return next((it for it in names if it != UNCLASSIFIED), UNCLASSIFIED)


def is_left_out(message: str) -> bool:
    return any(re.match(it, message) for it in WITHOUT)


def test_every_warning_of_libbpf_has_a_class_or_a_reason(tmp_path: Path) -> None:
    try:
        found = list(messages(tmp_path))
    except Unavailable as error:
        pytest.skip(str(error))

    without = [it for it in found if class_of(it) == UNCLASSIFIED]
    missing = [it for it in without if not is_left_out(it)]

    assert len(found) > 300
    assert len(missing) <= MOST_WITHOUT_CLASS * len(found), "\n".join(missing)
