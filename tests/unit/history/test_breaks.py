"""When a case broke, whose change it was, and what is only flaky."""

from datetime import date

import pytest

from runner.history import breaks, digest, series
from runner.history.breaks import Break, Cause
from runner.history.series import History
from runner.results import KnownFlaky, PlannedCase, Provenance, RunResults
from tests.unit.history.nights import case, night
from tests.unit.reports.runs import E, F, P, S

NEWER = {"image": "bookworm linux-image 6.1.176-1", "image_sha256": "2" * 64}


def history(*nights: RunResults) -> History:
    return series.of([digest.of(it, []) for it in nights])


def the_break(*nights: RunResults) -> Break:
    (found,) = breaks.breaks(history(*nights).series[0])
    return found


def test_the_same_object_on_another_package_is_the_kernels_change() -> None:
    found = the_break(night(0, case(P)), night(1, case(F), kernel=NEWER))

    assert found.causes == (Cause.KERNEL,)
    assert found.words.startswith("the kernel's change")
    assert found.good is not None
    assert found.good.kernel.image.endswith("6.1.170-1")
    assert found.bad.kernel.image.endswith("6.1.176-1")


def test_another_object_on_the_same_kernel_is_your_change() -> None:
    found = the_break(night(0, case(P)), night(1, case(F, object_sha256="c" * 64)))

    assert found.words.startswith("your change")


def test_both_changed_is_either() -> None:
    bad = night(1, case(F, object_sha256="c" * 64), kernel=NEWER)

    words = the_break(night(0, case(P)), bad).words

    assert words == "either your change or the kernel's change"


def test_another_libbpf_is_libbpfs_change() -> None:
    found = the_break(night(0, case(P)), night(1, case(F), kernel={"libbpf": "1.5"}))

    assert found.words.startswith("libbpf's change")


def test_nothing_changed_is_no_ones_change() -> None:
    assert "flaky" in the_break(night(0, case(P)), night(1, case(F))).words


def test_a_case_without_an_object_is_known_by_its_commit() -> None:
    bare = {"object_sha256": ""}

    found = the_break(night(0, case(P, **bare)), night(1, case(F, **bare)))

    assert found.words.startswith("your change")


def test_without_checksums_it_is_not_known() -> None:
    unknown = {"image_sha256": ""}

    found = the_break(
        night(0, case(P), kernel=unknown), night(1, case(F), kernel=unknown)
    )

    assert found.words.startswith("not known")


def test_runs_without_a_verdict_lie_between() -> None:
    found = the_break(
        night(0, case(P)), night(1, case(E)), night(2, case(S)), night(3, case(F))
    )

    assert found.good is not None
    assert (found.good.last, found.bad.first, found.between) == (0, 3, 2)


def test_a_case_that_passes_again_was_fixed() -> None:
    found = the_break(night(0, case(P)), night(1, case(F)), night(2, case(P)))

    assert found.fixed == 2


def test_a_case_that_never_passed_broke_in_the_first_run() -> None:
    found = the_break(night(0, case(F)), night(1, case(F)))

    assert found.good is None
    assert found.words == "it failed in the first run that has it"


def test_a_planned_case_of_a_run_that_was_stopped_is_no_pass() -> None:
    whole = night(0, case(P), case(P, "other"))
    planned = history(whole).runs[0]
    assert planned.complete
    stopped = night(1, case(P), planned=_plan(whole), complete=False)

    found = {it.case: it for it in history(whole, stopped).series}

    assert not found["other"].last.is_good
    assert found["other"].last.state.outcome is None


def _plan(results: RunResults) -> tuple[PlannedCase, ...]:
    return PlannedCase.of(it.key for it in results.cases)


def test_what_passed_and_failed_with_the_same_inputs_is_flaky() -> None:
    nights = [night(n, case(F if n == 2 else P)) for n in range(4)]

    found = breaks.flakiness(history(*nights).series[0])

    assert found is not None
    assert (found.failed, found.verdicts, found.rate) == (1, 4, 0.25)


def test_a_break_by_another_package_is_not_flaky() -> None:
    nights = night(0, case(P)), night(1, case(F), kernel=NEWER)

    assert breaks.flakiness(history(*nights).series[0]) is None


def test_a_second_try_is_flaky() -> None:
    nights = night(0, case(P)), night(1, case(P, flaky="the guest was lost"))

    found = breaks.flakiness(history(*nights).series[0])

    assert found is not None
    assert (found.failed, found.retried, found.verdicts) == (0, 1, 2)


def test_broken_now_is_what_fails_in_the_newest_run_of_its_kernel() -> None:
    nights = (
        night(0, case(P), case(P, "gone"), case(P, kernel="6.12")),
        night(1, case(F), case(F, "gone"), case(F, kernel="6.12")),
        night(2, case(F), case(P, kernel="6.12")),
    )
    found = history(*nights)

    all_ = [it for of in found.series for it in breaks.breaks(of)]

    assert [
        (it.first.series.name, it.kernels) for it in breaks.broken(found, all_)
    ] == [("task::state", ("6.1",))]


def test_kernels_that_broke_alike_are_one_row() -> None:
    on = ("5.10", "6.1")
    nights = (
        night(0, *(case(P, kernel=it) for it in on)),
        night(1, *(case(F, kernel=it, object_sha256="c" * 64) for it in on)),
    )
    found = history(*nights)

    (row,) = breaks.broken(
        found, [it for of in found.series for it in breaks.breaks(of)]
    )

    assert row.kernels == on


def test_a_renamed_case_is_the_same_series() -> None:
    nights = night(0, case(P, "old")), night(1, case(F, "new", was=("task::old",)))

    (found,) = history(*nights).series

    assert found.name == "task::new"
    assert len(found.periods) == 2


def test_a_former_name_that_another_case_has_taken_is_its_own() -> None:
    nights = (
        night(0, case(P, "old")),
        night(1, case(F, "new", was=("task::old",)), case(P, "old")),
    )

    assert {it.name for it in history(*nights).series} == {"task::new", "task::old"}


@pytest.mark.parametrize(
    ("branches", "expected"), [(None, 3), (["topic"], 3), ([], 4), (["other"], 2)]
)
def test_main_counts_by_default_with_releases_and_unknown_branches(
    branches: list[str] | None, expected: int
) -> None:
    named = [Provenance(branch=it) for it in ("main", "topic", "")]
    nights = [
        *(night(n, case(P), provenance=it) for n, it in enumerate(named)),
        night(3, case(P), provenance=Provenance(branch="topic", tag="v1")),
    ]

    found = series.of([digest.of(it, []) for it in nights], branches)

    assert len(found.runs) == expected
    assert found.others == 4 - expected


def test_a_known_flaky_failure_is_kept_with_its_owner() -> None:
    known = KnownFlaky(owner="@ada", until=date(2026, 4, 1))

    (found,) = history(night(0, case(F, known_flaky=known))).series

    assert found.last.state.known_flaky == known
