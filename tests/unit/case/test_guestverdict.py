"""What refusals mean in a guest that is locked down, or not root's: real messages."""

from types import SimpleNamespace
from typing import cast

import pytest

from runner.case.guestverdict import refined
from runner.errors import UsageError
from runner.failures.classify import Classification
from runner.guest.guest import Guest
from runner.matrix.environment import Token, User

# Debian's 6.1 and 6.12 under lockdown=confidentiality and integrity.
READ = "unknown func bpf_probe_read#4"
READ_612 = "program of this type cannot use helper bpf_probe_read#4"
WRITE = "unknown func bpf_probe_write_user#36"
# Debian's 6.1, loaded by user 1000, or with CAP_BPF alone.
TRIVIAL = (
    "libbpf: Error in bpf_object__probe_loading():Operation not permitted(1). Couldn't "
    "load trivial BPF program."
)
# The same by libbpf 1.7, and what it says of tokens.
TRIVIAL_17 = "libbpf: Error in bpf_object__probe_loading(): -EPERM. Couldn't load"
TOKEN_17 = "libbpf: object 'filter': failed (-1) to create BPF token from '/run/t'"
LOAD = "libbpf: prog 'on_getpgid': BPF program load failed: Operation not permitted"
PERF = "libbpf: tracepoint 'x' perf_event_open() failed: Permission denied"

APART = User(uid=1000, namespace=True)
DELEGATED = User(uid=1000, namespace=True, token=Token(maps="any"))
TRACER = User(capabilities=("CAP_BPF", "CAP_PERFMON"))


def guest(user: User | None = None, **files: str) -> Guest:
    def read(path: str, *, timeout: float) -> str:
        name = path.rpartition("/")[2]
        if name not in files:
            raise UsageError("no such file")
        return files[name] + "\n"

    return cast(Guest, SimpleNamespace(loads_as=user, agent=SimpleNamespace(read=read)))


CONFIDENTIAL = "none integrity [confidentiality]"
INTEGRITY = "none [integrity] confidentiality"


@pytest.mark.parametrize(
    ("line", "up", "name"),
    [
        (READ, guest(lockdown=CONFIDENTIAL), "lockdown"),
        (READ_612, guest(lockdown=CONFIDENTIAL), "lockdown"),
        (WRITE, guest(lockdown=INTEGRITY), "lockdown"),
        (WRITE, guest(lockdown=CONFIDENTIAL), "lockdown"),
        # Another reason.
        (READ, guest(lockdown=INTEGRITY), "first"),
        (READ, guest(lockdown="[none] integrity confidentiality"), "first"),
        (READ, guest(), "first"),
        ("unknown func bpf_strncmp#182", guest(lockdown=CONFIDENTIAL), "first"),
        (
            TRIVIAL,
            guest(User(uid=1000), unprivileged_bpf_disabled="2"),
            "unprivileged_disabled",
        ),
        (
            TRIVIAL,
            guest(User(uid=1000), unprivileged_bpf_disabled="0"),
            "capability_missing",
        ),
        (
            TRIVIAL_17,
            guest(User(uid=1000), unprivileged_bpf_disabled="2"),
            "unprivileged_disabled",
        ),
        # Its capabilities are none of the guest's.
        (
            TRIVIAL,
            guest(APART, unprivileged_bpf_disabled="2"),
            "unprivileged_disabled",
        ),
        (
            TRIVIAL,
            guest(DELEGATED, unprivileged_bpf_disabled="2"),
            "capability_missing",
        ),
        (TOKEN_17, guest(DELEGATED), "capability_missing"),
        (TOKEN_17, guest(), "first"),
        (TRIVIAL, guest(unprivileged_bpf_disabled="2"), "first"),
        (
            LOAD,
            guest(User(capabilities=("CAP_BPF",)), unprivileged_bpf_disabled="2"),
            "capability_missing",
        ),
        (LOAD, guest(), "first"),
        (PERF, guest(TRACER, perf_event_paranoid="3"), "sysctl"),
        (PERF, guest(TRACER, perf_event_paranoid="2"), "capability_missing"),
        (PERF, guest(perf_event_paranoid="3"), "first"),
    ],
)
def test_words_and_state_together_decide(line: str, up: Guest, name: str) -> None:
    found = refined(Classification(name="first", line=line, cure=""), line, up)
    assert found.name == name
    assert found.line.startswith(line)


def test_a_cure_for_a_user_namespace_is_a_token() -> None:
    line = Classification(name="first", line=LOAD, cure="")
    found = refined(line, LOAD, guest(DELEGATED, unprivileged_bpf_disabled="2"))
    assert "a BPF token gives some of them to another one" in found.cure
    assert "in a user namespace of its own, with all its capabilities" in found.line
    assert found.line.endswith("a BPF token)")


def test_a_cure_names_no_capability_that_the_user_has() -> None:
    line = Classification(name="first", line=PERF, cure="")
    found = refined(line, PERF, guest(TRACER, perf_event_paranoid="2"))
    assert "CAP_BPF" not in found.cure
    assert "CAP_PERFMON" not in found.cure
    assert "CAP_DAC_READ_SEARCH (files of tracefs" in found.cure
    nothing = refined(line, PERF, guest(User(uid=1000), perf_event_paranoid="2"))
    assert "CAP_BPF (maps and programs" in nothing.cure
