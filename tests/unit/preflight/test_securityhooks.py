"""Programs of BPF LSM, and the security modules that a kernel starts with."""

import pytest

from runner.preflight import securityhooks
from runner.preflight.model import Effect, Finding, FindingKind
from tests.unit.preflight.made import an_object, checked, kernel

SOURCE = """\
SEC("lsm/file_open") int hook(void *ctx) { return 0; }
SEC("kprobe/vfs_open") int probe(void *ctx) { return 0; }
"""
BTF = """\
struct file { int flags; };
int bpf_lsm_file_open(struct file *file) { return 0; }
struct file file;
"""


def findings(lsm: tuple[str, ...] | None) -> tuple[Finding, ...]:
    return checked(an_object(SOURCE), kernel(BTF), lsm=lsm).findings


def test_a_hook_is_not_called_without_bpf() -> None:
    (found,) = findings(("lockdown", "yama"))
    assert found.kind is FindingKind.LSM_NOT_CALLED
    assert found.effect is Effect.WRONG_VALUE
    assert found.is_warning
    assert found.name == "lsm_not_called:file_open"
    assert found.place.program == "hook"
    assert found.reason == (
        "attached, never called: bpf is not among this kernel's LSMs (lockdown,yama)"
    )
    assert "guest: {lsm: [..., bpf]}" in found.cure


@pytest.mark.parametrize("lsm", [("yama", "bpf"), None])
def test_with_bpf_or_where_nobody_knows_nothing_is_said(
    lsm: tuple[str, ...] | None,
) -> None:
    assert findings(lsm) == ()


@pytest.mark.parametrize(
    ("section", "is_hook"),
    [
        ("lsm/file_open", True),
        ("?lsm.s/bprm_check_security", True),
        ("lsm_cgroup/socket_create", True),
        ("kprobe/security_file_open", False),
        ("lsmod/x", False),
    ],
)
def test_sections_of_hooks(section: str, is_hook: bool) -> None:
    assert securityhooks.is_hook(section) is is_hook
