"""Every message that the verifier of Debian's kernel has, held against the classes.

What has no class is a decision, written down here with its reason.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.failures.classes import VERIFIER_REJECTED
from runner.failures.classify import classify
from tests.unit.preflight.selftests import Unavailable, source

pytestmark = pytest.mark.selftests

WANTED = re.compile(r"[^/]+/kernel/bpf/verifier\.c")
MESSAGE = re.compile(
    r'\b(?:verbose|bpf_log)\(\s*&?(?:env|log|env->log)\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)'
)
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
# What printf's conversions become: a number, hexadecimal digits, a word.
FILLED = (
    (re.compile(r"%-?\d*l{0,2}[du]"), "3"),
    (re.compile(r"%#?0?\d*l{0,2}x"), "1f"),
    (re.compile(r"(?<=\w)%s"), ""),
    (re.compile(r"%s"), "scalar"),
)
# Messages that are no verdict, or the beginning or end of one.
NOT_A_VERDICT = re.compile(
    # What it does, step by step.
    r"mark_\w+|force_precise|func#3|regs=|stack=|last_idx|parent |frame ?3|propagating|"
    r"(caller|callee|cur state|old state|returning from callee|to caller at 3):|"
    r"\W*(from 3 to 3|3: safe)|Validating |Func#3|verification time|stack depth|"
    r"processed 3 insns|Cannot find btf of tracepoint template|"
    # Pieces of a line that others complete: see the messages that begin it.
    r"[\W\d]*$|[,+ ]*r3|[,+ ]*fp3|,? ?scalar,?$|expected=|R3 type=|( or )?scalarscalar|"
    r"(smin|smax|unknown scalar value|should have been in)|or scalar$|"
    r"(_|[rwDP]|R3|=scalar|refs=3|(async_)?cb|%.*)$|has (value|unknown)|At scalar the|"
    r".* the register \w+ has$|"
    r"arg#3 is scalar|expected scalar or socket|BUG (regs|stack)|was a pointer|"
    r"from \d+ to|; |scalar the register"
)
# Of Debian's 6.1 and 6.12, all have one; a later version may add some.
MOST_WITHOUT_CLASS = 0.01


def messages(folder: Path) -> Iterator[str]:
    """Yield each message of verifier.c once, with something in its conversions."""
    text = (source(folder, WANTED) / "kernel/bpf/verifier.c").read_text()
    seen = set()
    for match in MESSAGE.finditer(text):
        words = "".join(TEXT.findall(match[1]))
        words = words.replace("\\n", "\n").replace('\\"', '"').replace("\\t", " ")
        for pattern, filled in FILLED:
            words = pattern.sub(filled, words)
        if words.strip() and words not in seen:
            seen.add(words)
            yield words


def class_of(message: str) -> str:
    log = (
        "libbpf: prog 'p': BPF program load failed: Invalid argument\n"
        "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n"
        f"0: (b7) r0 = 0\n{message.strip()}\n"
        "processed 1 insns (limit 1000000)\n-- END PROG LOAD LOG --\n"
    )
    return classify(log, "load", "EINVAL").name


def test_every_verdict_of_the_verifier_has_a_class(tmp_path: Path) -> None:
    try:
        found = [it.strip() for it in messages(tmp_path)]
    except Unavailable as error:
        pytest.skip(str(error))
    verdicts = [it for it in found if not NOT_A_VERDICT.match(it)]

    without = [it for it in verdicts if class_of(it) == VERIFIER_REJECTED.name]

    assert len(verdicts) > 200
    assert len(without) <= MOST_WITHOUT_CLASS * len(verdicts), "\n".join(without)
