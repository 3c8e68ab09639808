"""Which line of a .bpf.c a failure is about, by clang's and the verifier's words."""

import re

from runner.bpfobject import BpfObject, DamagedError

# clang: "maps.bpf.c:12:3: error: …"; of a header, too.
_COMPILER = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):\d+: (fatal )?error: ")

# libbpf prints the logs of programs that loaded, too: the last one counts.
_REFUSED = re.compile(
    r"prog '(?P<program>[^']*)': BPF program load failed(?!.*BPF program load failed)"
    r".*?-- BEGIN PROG LOAD LOG --\n(?P<log>.*?)(?:-- END PROG LOAD LOG --|\Z)",
    re.DOTALL,
)
_POISON = re.compile(
    r"^(?P<step>\d+): <invalid CO-RE relocation>\n"
    r"failed to resolve CO-RE relocation <\w+> \[\d+\] (?P<what>.*)$",
    re.MULTILINE,
)
# "struct task_struct.state (0:1 @ offset 8)", "enum bpf_func_id::BPF_FUNC_loop = 181"
_MEMBER = re.compile(r"(\w+)(\[\d+\])*( \(| =|$)")
_STEP = re.compile(r"^(\d+): \(", re.MULTILINE)
# "; value = task->state; @ task.bpf.c:31", with the place from 6.10 on.
_PLACE = re.compile(r"^; .*@ (?P<file>\S+):(?P<line>\d+)$", re.MULTILINE)


def of_compiler(message: str, name: str) -> int:
    """Return the line of clang's first error in the file `name`; 0 without one."""
    for line in message.splitlines():
        found = _COMPILER.match(line.strip())
        if found and _base(found["file"]) == name:
            return int(found["line"])
    return 0


def of_verifier(log: str, data: bytes, source: str, name: str) -> int:
    """Return the line that the verifier refused; 0 without one.

    `source` is the text of the file `name`. The log tells program and instruction; the
    line table of the object, `data`, what line that is. Where it does not (in functions
    that programs call, in headers), the last line that the log shows counts.
    """
    refused = _REFUSED.search(log)
    if refused is None:
        return 0
    text = refused["log"]
    poison = _POISON.search(text)
    steps = [poison["step"]] if poison else _STEP.findall(text)[-1:]
    member = _MEMBER.search(poison["what"]) if poison else None
    try:
        found = BpfObject.read(data) if steps else None
    except DamagedError:
        found = None
    own = [
        line.line
        for line in (found.lines_of(refused["program"], int(steps[0])) if found else ())
        if _base(line.file) == name
    ]
    if own:
        return _naming(member[1] if member else "", own, source.splitlines()) or own[0]
    shown = [it for it in _PLACE.finditer(text) if _base(it["file"]) == name]
    return next((int(it["line"]) for it in reversed(shown) if int(it["line"])), 0)


def _naming(word: str, numbers: list[int], lines: list[str]) -> int:
    """Return the first of some lines that has a word in it; 0 without one.

    Clang takes what computes a field's address to the line before it.
    """
    if not word:
        return 0
    pattern = re.compile(rf"\b{re.escape(word)}\b")
    return next(
        (
            number
            for number in numbers
            if number <= len(lines) and pattern.search(lines[number - 1])
        ),
        0,
    )


def _base(path: str) -> str:
    return path.rpartition("/")[2]
