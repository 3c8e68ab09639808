"""The table of architectures."""

import pytest
from elftools.elf.enums import ENUM_E_MACHINE

from runner import arch
from runner.arch import ARCHITECTURES, ARM64, X86_64, Architecture
from runner.kernels import nic

ROWS = pytest.mark.parametrize("row", ARCHITECTURES, ids=lambda it: it.name)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("amd64", "x86_64"),
        ("x86_64", "x86_64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
    ],
)
def test_an_architecture_has_several_spellings(spelling: str, name: str) -> None:
    assert arch.named(spelling).name == name


def test_an_unknown_architecture_is_none() -> None:
    assert arch.find("arm") is None
    with pytest.raises(KeyError):
        arch.named("arm")


def test_no_two_architectures_share_a_name() -> None:
    names = [name for row in ARCHITECTURES for name in row.names]

    assert len(names) == len(set(names))


@ROWS
def test_a_row_says_how_its_elf_files_look(row: Architecture) -> None:
    assert row.elf.machine in ENUM_E_MACHINE
    assert arch.by_elf_machine(row.elf.machine) is row


@ROWS
def test_a_row_has_network_cards_on_its_bus(row: Architecture) -> None:
    cards = nic.of(row)

    assert [it.device for it in cards] == list(row.board.cards)
    assert cards[0].device == row.board.device("net")


def test_this_machine_is_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert arch.native() is ARM64
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert arch.native() is X86_64
    monkeypatch.setattr("platform.machine", lambda: "m68k")
    assert arch.native() is None
