"""What a kernel reports before its guest serves any case."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from runner.files.patternlist import ConsoleLines, LinePattern
from runner.guest import firstwords
from runner.guest.firstwords import FirstWords
from runner.guest.life import Starts

MODULES: dict[str, JsonValue] = {
    "modules": ["nf_conntrack"],
    "sysctl": {"kernel.sysrq": 1},
}
BUG = "[    3.0] BUG: KASAN: use-after-free in mine+0x1/0x2\n[    3.1]  dump_stack\n"


def notes(
    words: FirstWords,
    *own: ConsoleLines,
    done: Mapping[str, JsonValue] | None = None,
) -> list[str]:
    starts = Starts(kernel="6.1")
    for _ in range(2):
        firstwords.note(replace(words, done=done or {}), own, starts)
    return starts.notes


def test_what_was_set_up_is_named() -> None:
    (note,) = notes(FirstWords(setting_up=BUG), done=MODULES)

    assert note.startswith(
        "the kernel reported while its guest was set up (sysctl: "
        "{kernel.sysrq: 1}): BUG: KASAN: use-after-free in mine+0x1/0x2 ("
    )
    assert note.endswith("report once only, so that what cases do may go unseen")


def test_the_boot_is_told_from_what_came_then() -> None:
    first, second = notes(FirstWords(booting=BUG, setting_up=BUG), done=MODULES)

    assert first.startswith(
        "the kernel reported while it booted (modules: [nf_conntrack]): BUG: KASAN"
    )
    assert second.startswith("the kernel reported while its guest was set up (")


def test_a_kernel_that_reports_nothing_has_no_note() -> None:
    fine = "[    1.0] Linux version 6.1\n[    2.0] rc: network is up\n"

    assert not notes(FirstWords(booting=fine, setting_up=fine))


def test_the_lists_of_the_row_and_of_the_suite_count() -> None:
    harmless = LinePattern(pattern="KASAN: use-after-free in mine", reason="known")
    lost = LinePattern(pattern="^mine: lost", reason="it lost something")

    others = ConsoleLines()
    for own in (
        (ConsoleLines(allow=(harmless,)), others),
        (others, ConsoleLines(allow=(harmless,))),
    ):
        assert not notes(FirstWords(booting=BUG), *own)
    says = FirstWords(booting="[  1.0] mine: lost 5\n")
    for own in (
        (ConsoleLines(deny=(lost,)), others),
        (others, ConsoleLines(deny=(lost,))),
    ):
        (note,) = notes(says, *own)
        assert note.startswith(
            "the kernel reported while it booted: mine: lost 5 (it lost"
        )


def test_a_saved_state_brings_what_was_said() -> None:
    words = FirstWords(booting="a", setting_up="b").and_later("c")

    assert firstwords.of_saved(words.kept(), MODULES) == FirstWords(
        booting="a", setting_up="bc", done=MODULES
    )
    assert firstwords.of_saved({}, {}) == FirstWords()


def test_a_kernel_that_says_much_does_not_fill_the_cache() -> None:
    kept = FirstWords(booting=BUG + "x" * (1 << 20)).kept()

    assert sum(len(str(it)) for it in kept.values()) < 1 << 17
