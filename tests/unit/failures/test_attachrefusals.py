"""What errnos mean of places."""

import pytest

from runner.failures import attachrefusals
from runner.failures.attachrefusals import ROWS
from runner.suites.attachplaces import kinds


def lacks_all(key: str, name: str) -> bool:
    return True


def lacks_nothing(key: str, name: str) -> bool:
    return False


def class_of(place: str, errno: str, *, old: bool = False) -> str:
    lacks = lacks_all if old else lacks_nothing
    found = attachrefusals.classified(place, errno, "can't attach p", lacks)
    return "" if found is None else found.name


@pytest.mark.parametrize(
    ("place", "errno", "name"),
    [
        ("tcx/lo/ingress", "EINVAL", "attach_kind_missing"),
        ("netkit/nk0/peer", "EINVAL", "attach_kind_missing"),
        ("netfilter/ipv4/input", "EINVAL", "attach_kind_missing"),
        ("kprobe.multi/vfs_*", "EOPNOTSUPP", "attach_kind_missing"),
        ("kprobe.multi/vfs_*", "EINVAL", "attach_kind_missing"),
        ("uretprobe.multi/libc.so.6:f*", "EINVAL", "attach_kind_missing"),
        ("sockmap/m/verdict", "EINVAL", "attach_kind_missing"),
    ],
)
def test_a_kind_is_missing_only_where_the_kernel_lacks_it(
    place: str, errno: str, name: str
) -> None:
    assert class_of(place, errno, old=True) == name
    assert class_of(place, errno) != name


@pytest.mark.parametrize(
    ("place", "errno", "name"),
    [
        *((f"{it}/eth7/x", "ENODEV", "interface_missing") for it in ("tc", "netkit")),
        ("xdp/eth7", "ENODEV", "interface_missing"),
        ("xdp/eth0/native", "EOPNOTSUPP", "xdp_mode_unsupported"),
        ("xdp/eth0", "EBUSY", "attach_place_taken"),
        ("struct_ops/cubic", "EEXIST", "attach_place_taken"),
        ("struct_ops/mine", "EINVAL", "attach_place_unfit"),
        ("tc/lo/ingress", "ENOENT", "attach_module_missing"),
        ("netkit/lo/primary", "ENXIO", "attach_place_unfit"),
        ("netkit/nk1/primary", "EACCES", "attach_place_unfit"),
        ("netfilter/ipv4/input/0", "EBUSY", "attach_place_taken"),
        ("sockmap/m/verdict", "EBUSY", "attach_place_taken"),
        ("sockmap/counts", "EINVAL", "attach_place_unfit"),
        ("flow_dissector", "E2BIG", "attach_place_taken"),
        ("cgroup/sys/fs/cgroup/none", "ENOENT", "user_target_missing"),
        ("cgroup/sys/fs/cgroup/freezer", "EBADF", "cgroup_version"),
        ("kprobe.multi/none*", "ENOENT", "attach_target_missing"),
        ("uprobe.multi/none:x", "ENOENT", "user_target_missing"),
        ("perf_event/cycles", "ENOENT", "attach_target_missing"),
        ("iter/bpf_map_elem/m", "EINVAL", "attach_place_unfit"),
    ],
)
def test_what_is_wrong_with_a_place(place: str, errno: str, name: str) -> None:
    assert class_of(place, errno) == name


@pytest.mark.parametrize(
    ("place", "errno"),
    [
        # It says where in the section, and libbpf's words say why.
        ("", "EINVAL"),
        ("xdp/eth0/generic", "EOPNOTSUPP"),
        ("kprobe/vfs_read", "EINVAL"),
        # The guest's user and lockdown are judged by others.
        ("tcx/lo/ingress", "EPERM"),
    ],
)
def test_of_others_nobody_knows(place: str, errno: str) -> None:
    assert class_of(place, errno) == ""


def test_the_message_says_what_is_wrong() -> None:
    found = attachrefusals.classified(
        "tcx/lo/egress", "EINVAL", "can't attach p to tcx/lo/egress", lacks_all
    )
    assert found is not None
    assert found.line.startswith(
        "can't attach p to tcx/lo/egress (tcx was added in 6.6"
    )


def test_each_row_is_of_places_that_there_are_and_names_its_source() -> None:
    # Maps of struct_ops are registered, and at no place of programs.
    known = {*kinds(), "struct_ops"}
    for row in ROWS:
        assert set(row.kinds) <= known
        assert row.source
        assert row.errors


def test_no_row_hides_another_one() -> None:
    for number, row in enumerate(ROWS):
        for earlier in ROWS[:number]:
            if earlier.lacking or earlier.ending:
                continue
            same = set(row.kinds) & set(earlier.kinds)
            assert not (same and set(row.errors) & set(earlier.errors)), row.said
