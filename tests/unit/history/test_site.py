"""The pages of a history, and the command that makes them."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from lxml import html

from runner import cli
from runner.history import digest, series, site, store
from runner.history.site import Site
from runner.reports import resultsfile
from runner.results import KnownFlaky, Outcome, Provenance, RunResults
from tests.unit.history.nights import case, night
from tests.unit.reports import hostile
from tests.unit.reports.runs import E, F, P

NEWER = {"image": "bookworm linux-image 6.1.176-1", "image_sha256": "2" * 64}


def made(*nights: RunResults) -> Site:
    return site.render(series.of([digest.of(it, []) for it in nights]), ())


def broke() -> tuple[RunResults, ...]:
    return night(0, case(P)), night(1, case(F), kernel=NEWER)


def test_the_overview_says_when_and_why_a_case_broke() -> None:
    page = made(*broke()).files["index.html"]

    assert "the kernel&#39;s change" in page
    assert "6.1.170-1" in page
    assert "6.1.176-1" in page
    assert f"{0:012x}" in page
    assert "since 2026-03-02" in page


def test_each_case_has_a_page_of_the_same_name_forever() -> None:
    files = made(*broke()).files

    assert site.page_of("task::state") in files
    assert site.page_of("task::state") == "cases/task-state-7848d62b.html"


def test_the_json_says_what_to_bisect() -> None:
    found = json.loads(made(*broke()).files["data/history.json"])

    (broken,) = found["broken"]
    assert broken["case"] == "task::state"
    assert broken["kernels"] == ["6.1"]
    assert broken["cause"] == ["kernel"]
    assert broken["good"]["package"].endswith("6.1.170-1")
    assert broken["bad"]["package"].endswith("6.1.176-1")


def test_a_badge_for_each_family_has_svg_and_an_endpoint() -> None:
    kernels = {
        "6.1": "6.1.0-44-cloud-amd64",
        "6.12": "6.12.9",
        "el9": "5.14.0-570.1.el9_6.x86_64",
    }
    results = night(0, *(case(P if it != "el9" else F, kernel=it) for it in kernels))
    results = results.model_copy(
        update={
            "kernels": tuple(
                it.model_copy(update={"release": kernels[it.id]})
                for it in results.kernels
            )
        }
    )

    files = made(results).files

    badges = {it for it in files if it.startswith("badges/")}
    names = ("all", "debian", "linux", "rhel")
    assert badges == {f"badges/{it}.{kind}" for it in names for kind in ("svg", "json")}
    linux = json.loads(files["badges/linux.json"])
    assert linux["schemaVersion"] == 1
    assert (linux["label"], linux["message"]) == ("Linux", "6.1 – 6.12")  # noqa: RUF001
    assert json.loads(files["badges/rhel.json"])["message"] == "fails on 9.6"


def test_a_kernel_that_is_no_longer_run_has_no_badge() -> None:
    files = made(night(0, case(F, kernel="6.1")), night(30, case(P, kernel="6.12")))

    assert json.loads(files.files["badges/all.json"])["message"] == "6.12"


def test_a_run_that_was_stopped_is_marked_and_is_no_pass() -> None:
    stopped = night(1, case(P), planned=None, complete=False)

    page = made(night(0, case(P)), stopped).files["index.html"]

    assert "incomplete: it does not count as a pass" in page


def test_a_case_that_no_kernel_was_compared_with_is_no_declared_gap() -> None:
    alone = case(Outcome.SKIPPED, failure_class="nothing_to_agree_with")
    declared = case(Outcome.SKIPPED, "other", failure_class="declared_gap")

    words = site.run_words(digest.of(night(0, alone, declared), []))

    assert words == "1 declared gap, 1 case not compared"


def test_releases_say_what_they_run_on() -> None:
    tagged = Provenance(commit="c" * 40, tag="v1.2", branch="main")

    page = made(
        night(0, case(P), release="v1.1"),
        night(1, case(P), case(E, kernel="6.12"), provenance=tagged),
    ).files["index.html"]

    assert "v1.1" in page
    assert "v1.2" in page
    assert "6.1; not known: 6.12" in page


def test_a_listed_flaky_case_is_shown_with_its_owner() -> None:
    known = KnownFlaky(owner="@ada", until=date(2026, 4, 1), reason="races")

    page = made(night(0, case(F, known_flaky=known), case(P, "other"))).files[
        "index.html"
    ]

    assert "@ada" in page
    assert "2026-04-01" in page
    assert "races" in page
    assert "1 failed (known flaky)" in page


def test_only_web_addresses_become_links() -> None:
    for address, there in (("https://ci.example/1", True), ("javascript:x()", False)):
        told = Provenance(commit="c" * 40, ci_run=address)
        page = made(night(0, case(P), provenance=told)).files["index.html"]
        assert (f'href="{address}"' in page) is there


def test_commits_on_github_can_be_compared() -> None:
    nights = [
        it.model_copy(
            update={
                "provenance": it.provenance.model_copy(
                    update={"ci_run": f"https://github.example/o/n/actions/runs/{n}"}
                )
            }
        )
        for n, it in enumerate(broke())
    ]

    page = made(*nights).files["index.html"]

    assert f"https://github.example/o/n/compare/{0:040x}...{1:040x}" in page


@pytest.mark.parametrize("text", hostile.CORPUS)
def test_hostile_texts_come_out_escaped(text: str) -> None:
    results = night(
        0,
        case(F, text, message=text, failure_class=text, loader=text),
        kernel={"image": text, "libbpf": text},
        provenance=Provenance(project=text, commit=text, branch="main", tag=text),
    )

    for path, page in made(results).files.items():
        if path.endswith(".html"):
            tree = html.document_fromstring(page)
            assert not tree.xpath("//script | //img | //iframe | //svg[@onload]")
            assert len(tree.xpath("//style")) == 1


# ---------------------------------------------------------------- the command


def put(folder: Path, *nights: RunResults) -> Path:
    folder.mkdir(exist_ok=True)
    for number, it in enumerate(nights):
        resultsfile.write(it, folder / f"{it.started[:10]}-{number}.json")
    return folder


def run(*words: object) -> int:
    return cli.main(["history", *map(str, words)])


def test_each_night_needs_only_its_own_run(tmp_path: Path) -> None:
    out = tmp_path / "site"
    first, second = broke()
    assert run(put(tmp_path / "1", first), "--out", out) == 0
    assert run(put(tmp_path / "2", second), "--out", out) == 0
    at_once = tmp_path / "at-once"
    assert run(tmp_path / "1", tmp_path / "2", "--out", at_once) == 0

    def pages(folder: Path) -> dict[str, str]:
        return {it.name: it.read_text() for it in folder.rglob("*.html")}

    assert pages(out) == pages(at_once)
    assert len(pages(out)) == 2


def ahead(**time: float) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


def test_a_run_of_the_future_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    future = night(0, case(P, kernel="6.12"), started=ahead(days=200).isoformat())
    given = put(tmp_path / "in", night(0, case(F)), future)
    out = tmp_path / "site"

    assert run(given, "--out", out) == 0
    assert f"{ahead(days=200):%Y-%m-%d}-1.json is left out" in capsys.readouterr().err
    assert badge_of_all(out) == "fails on 6.1"
    assert run(given, "--out", out, "--strict") == 2


def badge_of_all(out: Path) -> str:
    found = json.loads((out / "badges/all.json").read_text())["message"]
    assert isinstance(found, str)
    return found


def test_a_run_of_the_future_that_a_store_has_is_left_out_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site"
    run(put(tmp_path / "in", night(0, case(F))), "--out", out)
    green = digest.of(night(0, case(P, kernel="6.12")), [])
    future = green.model_copy(update={"started": ahead(days=2)})
    store.add(out, store.load(out), [future])

    assert run("--out", out, "--strict") == 2
    assert "is in the future" in capsys.readouterr().err
    assert badge_of_all(out) == "fails on 6.1"


def test_a_clock_may_be_some_hours_ahead(tmp_path: Path) -> None:
    given = put(tmp_path / "in", night(0, case(P), started=ahead(hours=14).isoformat()))

    assert run(given, "--out", tmp_path / "site", "--strict") == 0


def test_files_of_other_commands_are_no_runs_and_need_no_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = put(tmp_path / "in", night(0, case(P)))
    for name in ("release.json", "sweep.json", "bisect.json"):
        (given / name).write_text("{}")

    assert run(given, "--out", tmp_path / "site", "--strict") == 0
    assert "left out" not in capsys.readouterr().err


def test_a_known_flaky_failure_is_listed_once() -> None:
    known = KnownFlaky(owner="@ada", until=date(2026, 4, 1))
    files = made(
        night(0, case(P), case(P, "other")),
        night(1, case(F, known_flaky=known), case(F, "other")),
    ).files

    found = json.loads(files["data/history.json"])
    assert [it["case"] for it in found["broken"]] == ["task::other"]
    assert [it["case"] for it in found["known_flaky"]] == ["task::state"]
    tree = html.document_fromstring(files["index.html"])
    broken = tree.xpath("//section[@aria-labelledby='broken']")[0].text_content()
    assert "task::state" not in broken


def test_a_known_flaky_failure_that_has_ended_is_broken_and_says_so() -> None:
    ended = KnownFlaky(owner="@ada", until=date(2026, 3, 1), ended=True)
    files = made(night(0, case(P)), night(1, case(F, known_flaky=ended))).files

    tree = html.document_fromstring(files["index.html"])
    broken = tree.xpath("//section[@aria-labelledby='broken']")[0].text_content()
    assert "ended on 2026-03-01; ask @ada" in broken
    assert not json.loads(files["data/history.json"])["known_flaky"]


def test_a_foreign_file_is_named_on_the_site_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = put(tmp_path / "in", night(0, case(P)))
    (given / "foreign.json").write_text("[]")

    assert run(given, "--out", tmp_path / "site") == 0

    assert "foreign.json is left out" in capsys.readouterr().err
    assert "foreign.json" in (tmp_path / "site/index.html").read_text()
    assert run(given, "--out", tmp_path / "site", "--strict") == 2


def test_a_folder_with_something_else_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = put(tmp_path / "in", night(0, case(P)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("mine")

    assert run(given, "--out", tmp_path / "mine") == 2
    assert "neither empty nor a site" in capsys.readouterr().err
    assert (tmp_path / "mine/index.html").read_text() == "mine"


def test_without_any_run_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/foreign.json").write_text("[]")

    assert run("--out", tmp_path / "site") == 2
    assert run(tmp_path / "in", "--out", tmp_path / "site") == 2
    assert not (tmp_path / "site/index.html").exists()


def test_the_page_of_a_case_that_is_gone_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "site"
    topic = Provenance(branch="topic")
    nights = night(0, case(P)), night(1, case(P, "topical"), provenance=topic)
    run(put(tmp_path / "in", *nights), "--out", out, "--branch", "all")
    assert len(list((out / "cases").iterdir())) == 2

    assert run("--out", out) == 0

    assert [it.name for it in (out / "cases").iterdir()] == [
        Path(site.page_of("task::state")).name
    ]


def test_a_site_that_another_run_writes_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = put(tmp_path / "in", night(0, case(P)))
    assert run(given, "--out", tmp_path / "site") == 0

    with FileLock(tmp_path / "site/data/.lock"):
        assert run(given, "--out", tmp_path / "site") == 2
    assert "in use" in capsys.readouterr().err
