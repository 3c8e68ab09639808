"""A suite's folder, with every mistake that a user may make in it."""

import re
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.errors import ExitStatus, UsageError
from runner.files.modelfile import PATTERNS
from runner.suites import suitefile
from runner.suites.suitefile import LoadedSuite

ROOT = Path(__file__).resolve().parents[3]

HEAD = """\
description: A suite.
cases:
"""
CASE = """\
  - name: one
    object: a.bpf.c
    expect:
      - {map: m, equals: 1}
"""
GOOD = HEAD + CASE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "a.bpf.c").write_text("// nothing")
    return made


def load(folder: Path, text: str) -> LoadedSuite:
    path = folder / "suite.yaml"
    path.write_text(text)
    return suitefile.load(path)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    assert caught.value.exit_status is ExitStatus.USAGE
    return caught.value.message.replace(f"{folder}/", "").splitlines()


def with_expectation(text: str) -> str:
    return GOOD.replace("{map: m, equals: 1}", text)


def test_a_suite_is_called_as_its_folder(folder: Path) -> None:
    loaded = load(folder, GOOD + CASE.replace("one", "two"))

    assert loaded.name == "mine"
    assert loaded.folder == folder
    assert loaded.lines == {"one": 3, "two": 7}


@pytest.mark.parametrize(
    "path",
    [*sorted(ROOT.glob("suites/*/suite.yaml")), ROOT / "docs/example/suite.yaml"],
    ids=lambda path: path.parent.name,
)
def test_the_shipped_suites_are_right(path: Path) -> None:
    assert suitefile.load(path).suite.cases


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # The schema's.
        (
            GOOD.replace("expect:", "expects:"),
            "5: cases[0].expects: unknown key 'expects'; did you mean 'expect'?",
        ),
        (
            GOOD.replace("cases:", "csaes:"),
            "2: csaes: unknown key 'csaes'; did you mean 'cases'?",
        ),
        ("description: x\ncases: []\n", "2: cases: must not be empty"),
        ("cases:\n" + CASE, "1: description: key 'description' is missing"),
        (
            with_expectation("{map: m, equal: 1}"),
            "6: cases[0].expect[0].equal: unknown key 'equal'; did you mean 'equals'?",
        ),
        (
            with_expectation("{mpa: m, equals: 1}"),
            "6: cases[0].expect[0]: needs one of the keys agree, record, loaded, rows, "
            "show, xlated, relocated, value, map; did you mean 'map'?",
        ),
        (
            GOOD + "    trigger: [{fork: x}, {slepe: 1}]\n",
            "7: cases[0].trigger[1]: needs one of the keys fork, syscall, sleep, udp, "
            "tcp, command, test_run, pipe, act, drain, iterate; did you mean 'sleep'?",
        ),
        (
            GOOD + "    trigger:\n      - {fork: x, svae: y}\n",
            "8: cases[0].trigger[0].svae: unknown key 'svae'; did you mean 'save'?",
        ),
        (
            GOOD + "    trigger: [{syscall: getpdi}]\n",
            "7: cases[0].trigger[0].syscall: 'getpdi' must be 'getpgid', 'getppid', "
            "'getpid', 'getuid', 'nanosleep' or 'openat'; did you mean 'getpid'?",
        ),
        (
            GOOD + "    programs: {p: {laod: false}}\n",
            "7: cases[0].programs.p.laod: unknown key 'laod'; did you mean 'load'?",
        ),
        (
            GOOD + "    expect_failure: {class: x}\n",
            "7: cases[0].expect_failure.reason: key 'reason' is missing",
        ),
        (
            GOOD + "    kernels: 5.10\n    reason: r\n",
            '7: cases[0].kernels: write it in quotes, "5.10"; YAML reads 5.10 as the '
            "number 5.1",
        ),
        (
            GOOD.replace("name: one", "name: on e"),
            "3: cases[0].name: 'on e' must be "
            + PATTERNS[r"^[A-Za-z_][A-Za-z0-9_-]*$"],
        ),
        (
            with_expectation("{map: m, between: [1]}"),
            "6: cases[0].expect[0].between: [1]: has too few items",
        ),
        (
            GOOD + "    trigger: [{test_run: p, skb: {marks: 1}}]\n",
            "7: cases[0].trigger[0].skb.marks: struct __sk_buff has no field 'marks'; "
            "did you mean 'mark'?",
        ),
        (
            GOOD + "    trigger: [{test_run: p, skb: {mark: -1}}]\n",
            "7: cases[0].trigger[0].skb.mark: -1 does not fit into mark of struct "
            "__sk_buff; it is an unsigned 32-bit number",
        ),
        # What no schema knows.
        (
            GOOD + CASE,
            "7: cases[1].name: 'one' is used twice; the case of line 3 has it, too",
        ),
        (
            GOOD.replace("a.bpf.c", "b.bpf.c"),
            "4: cases[0].object: no file 'b.bpf.c'; did you mean 'a.bpf.c'?",
        ),
        (
            GOOD.replace("a.bpf.c", "a.c"),
            "4: cases[0].object: 'a.c' is neither a NAME.bpf.c nor an object file (.o)",
        ),
        (
            GOOD + "    btf: a.btf\n",
            "7: cases[0].btf: no file 'a.btf'; did you mean 'a.bpf.c'?",
        ),
        (
            GOOD + "    btf: a.bpf.c\n",
            "7: cases[0].btf: 'a.bpf.c' can't be used as BTF: it does not begin as BTF "
            "does (9f eb)",
        ),
        (
            GOOD.replace("a.bpf.c", "../../etc/passwd"),
            "4: cases[0].object: '../../etc/passwd' is outside of the suite's folder; "
            "copy it into the suite's folder when you build",
        ),
        (
            GOOD.replace("a.bpf.c", "/etc/passwd"),
            "4: cases[0].object: '/etc/passwd' is outside of the suite's folder; "
            "copy it into the suite's folder when you build",
        ),
        (
            GOOD.replace("a.bpf.c", "x/../../other.o"),
            "4: cases[0].object: 'x/../../other.o' is outside of the suite's folder; "
            "copy it into the suite's folder when you build, or load it with --object",
        ),
        (
            GOOD.replace("a.bpf.c", '"a\\0.o"'),
            "4: cases[0].object: 'a\\x00.o' can't be opened: embedded null byte",
        ),
        (
            GOOD.replace("a.bpf.c", "x" * 300 + ".o"),
            f"4: cases[0].object: '{'x' * 59}…' can't be opened: File name too long",
        ),
        (
            GOOD + "    kernels: '>=5.x'\n    reason: r\n",
            "7: cases[0].kernels: '>=5.x' is not a version comparison; write it like "
            "'>=5.4', '<6' or 'rhel>=9.4'",
        ),
        (
            GOOD + "    kernels: '>=5.5'\n",
            "7: cases[0].kernels: needs a `reason` that explains why it is skipped "
            "on other kernels",
        ),
        (
            GOOD
            + "    expect_failure: {class: kernel_oops, reason: r, kernels: old}\n",
            "7: cases[0].expect_failure.kernels: 'old' is not a version comparison; "
            "write it like '>=5.4', '<6' or 'rhel>=9.4'",
        ),
        (
            GOOD + "    expect_failure: {class: [loops_unsupported], reason: r}\n",
            "7: cases[0].expect_failure.class: no failure class 'loops_unsupported'; "
            "did you mean 'loop_unsupported'?",
        ),
        (
            GOOD + "    expect_failure: {class: poison_reachble, reason: r}\n",
            "7: cases[0].expect_failure.class: no failure class 'poison_reachble'; did "
            "you mean 'poison_reachable'?",
        ),
        (
            HEAD + "  - name: one\n    object: a.bpf.c\n",
            "3: cases[0]: 'one' checks nothing; give it an `expect`",
        ),
        (
            with_expectation("{map: m}"),
            "6: cases[0].expect[0]: needs one of equals, between, one_of, matches; 0 "
            "given",
        ),
        (
            with_expectation("{map: m, equals: 1, one_of: [1]}"),
            "6: cases[0].expect[0]: needs one of equals, between, one_of, matches; 2 "
            "given",
        ),
        (
            with_expectation("{map: m, matches: '('}"),
            "6: cases[0].expect[0].matches: not a regular expression: missing ), "
            "unterminated subpattern at position 0",
        ),
        (
            with_expectation("{map: m, matches: 'a{99999999999}'}"),
            "6: cases[0].expect[0].matches: not a regular expression: the repetition "
            "number is too large",
        ),
        (
            with_expectation("{map: m, equals: 1, field: 'a..b'}"),
            "6: cases[0].expect[0].field: 'a..b' is not a path like pos.x or sizes[2]",
        ),
        (
            with_expectation("{map: m, equals: 1, field: a, raw: true}"),
            "6: cases[0].expect[0].field: bytes have no fields; leave out field or raw",
        ),
        (
            with_expectation("{show: {type: hash}}"),
            "6: cases[0].expect[0]: needs either `program` or `map`",
        ),
        (
            with_expectation("{map: m, rows: [{key: 1}, {}]}"),
            "6: cases[0].expect[0].rows[1]: a row needs `key`, `value` or both",
        ),
        (
            with_expectation("{program: p, xlated: [{map: m}, {map: m, number: 1}]}"),
            "6: cases[0].expect[0].xlated[1]: needs one of offset_of, size_of, map, "
            "number, poison",
        ),
        (
            with_expectation("{program: p, xlated: [{poison: true}]}"),
            "6: cases[0].expect[0].xlated[0].poison: not allowed in `xlated`",
        ),
        (
            with_expectation("{program: p, relocated: [{map: m}]}"),
            "6: cases[0].expect[0].relocated[0].map: not allowed in `relocated`",
        ),
        (
            with_expectation(
                "{program: p, relocated: [{number: 1}], xlated: [{number: 1}]}"
            ),
            "6: cases[0].expect[0]: use two expectations for `xlated` and `relocated`",
        ),
        (
            with_expectation("{program: p, xlated: []}"),
            "6: cases[0].expect[0].xlated: must not be empty",
        ),
        (
            with_expectation('{map: m, equals: "${chlid.pid}"}')
            + "    trigger: [{fork: x}]\n",
            "6: cases[0].expect[0]: ${chlid.pid}: no value has this name yet; did you "
            "mean 'child'?",
        ),
        (
            with_expectation('{map: m, equals: "${truth.stat}"}')
            + "    truth: {state: {proc: /proc/1/stat}}\n",
            "6: cases[0].expect[0]: no 'truth.stat'; did you mean 'state'?",
        ),
        (
            GOOD + "    trigger: [{command: [x, '${child.pid}']}, {fork: y}]\n",
            "7: cases[0].trigger[0]: ${child.pid}: no value has this name yet; there "
            "are agent, files, kernel, maps, programs, truth",
        ),
        (
            GOOD + "    needs: {map_type: ring_buf}\n",
            "7: cases[0].needs.map_type: there is no type of maps 'ring_buf'; did you "
            "mean 'ringbuf'?",
        ),
        (
            GOOD + "    needs: {helper: ringbuf_output}\n",
            "7: cases[0].needs.helper: there is no helper 'ringbuf_output'; did you "
            "mean 'bpf_ringbuf_output'?",
        ),
        (
            GOOD + "    needs: {not: {any: [{ability: loops}]}}\n",
            "7: cases[0].needs.not.any[0].ability: there is no ability 'loops'; did "
            "you mean 'bounded_loops'?",
        ),
        (
            GOOD + "    needs: {}\n",
            "7: cases[0].needs: needs a key, such as helper, map_type or ability",
        ),
        (
            GOOD + "    needs: {kernels: new}\n",
            "7: cases[0].needs.kernels: 'new' is not a version comparison; write it "
            "like '>=5.4', '<6' or 'rhel>=9.4'",
        ),
        (
            GOOD + "    loader: [{needs: {prog_type: kprobes}, use: compat}]\n",
            "7: cases[0].loader[0].needs.prog_type: there is no type of programs "
            "'kprobes'; did you mean 'kprobe'?",
        ),
        (
            GOOD + "    trigger: [{udp: 1}, {udp: 2}]\n",
            "7: cases[0].trigger[1]: `save: udp` is already used; set another `save`",
        ),
        (
            GOOD + "    trigger: [{udp: 1, save: truth}]\n",
            "7: cases[0].trigger[0]: `save: truth` is already used; set another `save`",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(folder: Path, text: str, said: str) -> None:
    assert mistakes(folder, text)[-1] == f"suite.yaml:{said}"


def test_a_regular_expression_may_not_nest_without_end(folder: Path) -> None:
    text = with_expectation(f"{{map: m, matches: '{'(' * 5000}{')' * 5000}'}}")

    (said,) = mistakes(folder, text)

    assert said.startswith("suite.yaml:6: cases[0].expect[0].matches: not a regular")


def test_several_mistakes_are_told_at_once(folder: Path) -> None:
    text = with_expectation("{map: m}").replace("a.bpf.c", "b.o")

    assert [said.split()[0] for said in mistakes(folder, text)] == [
        "suite.yaml:4:",
        "suite.yaml:6:",
    ]


def test_a_symlink_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "sly.o").symlink_to("/etc/passwd")

    (said,) = mistakes(folder, GOOD.replace("a.bpf.c", "sly.o"))

    assert "'sly.o' is outside of the suite's folder; copy it" in said


def test_a_linked_folder_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder.parent / "other.o").write_bytes(b"\x7fELF")
    (folder / "up").symlink_to("..")

    (said,) = mistakes(folder, GOOD.replace("a.bpf.c", "up/other.o"))

    assert "'up/other.o' is outside of the suite's folder; copy it" in said


def test_a_symlink_to_itself_is_refused(folder: Path) -> None:
    (folder / "round.o").symlink_to("round.o")

    (said,) = mistakes(folder, GOOD.replace("a.bpf.c", "round.o"))

    assert said.startswith("suite.yaml:4: cases[0].object: 'round.o' can't be opened")


def test_a_symlink_within_the_folder_is_fine(folder: Path) -> None:
    (folder / "b.bpf.c").symlink_to("a.bpf.c")

    assert load(folder, GOOD.replace("a.bpf.c", "b.bpf.c")).suite.cases


def test_a_suite_that_is_reached_by_a_symlink_is_fine(folder: Path) -> None:
    load(folder, GOOD)
    link = folder.parent / "link"
    link.symlink_to(folder)

    assert suitefile.load(link / "suite.yaml").name == "mine"


def test_equals_null_counts_as_a_matcher(folder: Path) -> None:
    # The first record of a drain that read none.
    text = with_expectation('{value: "${child.pid}", equals: null}')

    assert load(folder, text + "\n    trigger: [{fork: null}]").suite.cases


def test_files_below_finds_suites(folder: Path) -> None:
    load(folder, GOOD)
    suite = folder / "suite.yaml"

    assert suitefile.files_below(folder.parent) == [suite]
    assert suitefile.files_below(suite) == [suite]
    assert suitefile.files_below(folder / "a.bpf.c") == []
    with pytest.raises(UsageError, match="there is no such file or folder"):
        suitefile.files_below(folder / "nowhere")


# ------------------------------------------------- loaders of the user's own

LOADER = """\
description: A suite.
cases:
  - name: one
    files: [loader]
    trigger: [{command: ["${files.folder}/loader"]}]
    expect: [{value: "${command.stdout}", equals: x}]
"""


def test_a_case_may_have_a_loader_in_place_of_an_object(folder: Path) -> None:
    (folder / "loader").touch()

    assert load(folder, LOADER).suite.cases[0].files == ("loader",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            LOADER.replace("[loader]", "[laoder]"),
            "4: cases[0].files[0]: no file 'laoder'; did you mean 'loader'?",
        ),
        (
            LOADER.replace("[loader]", "[../loader]"),
            "4: cases[0].files[0]: '../loader' is outside of the suite's folder; "
            "copy it into the suite's folder when you build",
        ),
        (
            LOADER.replace("[loader]", "[bin]"),
            "4: cases[0].files[0]: 'bin' is a folder; name a file in it",
        ),
        (
            LOADER.replace("[loader]", "[bin/loader, loader]"),
            "4: cases[0].files[1]: 'loader': 'bin/loader' is loader in the guest, "
            "too; rename one of them",
        ),
        (
            LOADER.replace("[loader]", '["bin/my loader"]'),
            "4: cases[0].files[0]: 'bin/my loader': a file's name may only have "
            "letters, digits, '.', '_' and '-'",
        ),
        (
            LOADER.replace("[loader]", "[bin/laoder]"),
            "4: cases[0].files[0]: no file 'bin/laoder'; did you mean 'loader'?",
        ),
        (
            LOADER.replace("    files: [loader]\n", ""),
            "3: cases[0]: key 'object' is missing, or 'files' with a loader, or "
            "'command'",
        ),
        (
            LOADER + "    loader: compat\n",
            "7: cases[0].loader: needs an `object` that the runner loads",
        ),
        (
            LOADER.replace("{command:", "{test_run: x}, {command:"),
            "5: cases[0].trigger[0]: needs an `object`",
        ),
        (
            LOADER.replace('loader"]}', 'loader"], until: x}'),
            "5: cases[0].trigger[0].until: only works for a command with "
            "`background: true`",
        ),
    ],
)
def test_a_mistake_about_a_loader_is_told(folder: Path, text: str, said: str) -> None:
    (folder / "bin").mkdir()
    for name in ("loader", "my loader"):
        (folder / "bin" / name).touch()
    (folder / "loader").touch()

    assert f"suite.yaml:{said}" in mistakes(folder, text)


def test_a_case_of_a_python_test_is_checked_as_one_of_a_file(folder: Path) -> None:
    keys: dict[str, JsonValue] = {
        "name": "case",
        "object": "a.bpf.c",
        "expect": [{"map": "m", "equals": 1}],
    }
    mistakes_made: list[tuple[dict[str, JsonValue], str]] = [
        ({"exepct": []}, "unknown key 'exepct'; did you mean 'expect'?"),
        (
            {"files": ["bin/gotool"]},
            "files[0]: no file 'bin/gotool'",
        ),
        ({"must_run": "no"}, 'must_run: "no": should be true or false'),
        ({"trigger": [{"fork": 3}]}, "trigger[0].fork: 3: should be text"),
        ({"object": "b.bpf.c"}, "object: no file 'b.bpf.c'; did you mean 'a.bpf.c'?"),
        ({"expect": []}, "'case' checks nothing"),
    ]
    assert suitefile.parse_case(keys, folder).object == "a.bpf.c"

    for wrong, said in mistakes_made:
        with pytest.raises(UsageError, match=re.escape(said)):
            suitefile.parse_case({**keys, **wrong}, folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("programs: {p: {load: {old: true}}}", "programs.p.load.old: 'old' is not a "),
        ("maps: {m: {create: {old: true}}}", "maps.m.create.old: 'old' is not a "),
        ("maps: {m: {max_entries: 0}}", "maps.m.max_entries: "),
        (
            'variables: {v: "${child.pid}"}',
            "variables: ${child.pid}: no value has this",
        ),
        (
            'programs: {p: {attach: "uprobe/${child.pid}:main"}}',
            "programs.p.attach: ${child.pid}: no value has this",
        ),
        ("trigger: [{drain: m}]", "trigger[0]: needs `struct`, or `fields`"),
        (
            "trigger: [{drain: m, struct: s, fields: {a: u8@0}}]",
            "trigger[0]: needs `struct`, or `fields`",
        ),
        ("trigger: [{drain: m, fields: {a: int@0}}]", "trigger[0].fields.a: 'int@0'"),
    ],
)
def test_a_mistake_in_a_loaders_settings_is_told(
    folder: Path, line: str, said: str
) -> None:
    (told,) = mistakes(folder, f"{GOOD}    {line}\n")

    assert told.startswith(f"suite.yaml:7: cases[0].{said}")


def test_two_suites_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    first = load(folder, GOOD)
    other = tmp_path / "other" / first.name
    other.mkdir(parents=True)
    (other / "a.bpf.c").touch()
    second = load(other, GOOD)

    with pytest.raises(UsageError) as caught:
        suitefile.require_distinct([first, second])

    assert str(first.folder) in caught.value.message
    assert str(second.folder) in caught.value.message
    assert "name:" in caught.value.hint
    # The same, given twice.
    suitefile.require_distinct([first, load(folder, GOOD)])
    suitefile.require_distinct([first, load(other, f"name: other\n{GOOD}")])


# --------------------------------------- files from elsewhere in the repository


def elsewhere(folder: Path) -> Path:
    """Make a build's output beside the suite's folder."""
    build = folder.parent / "build"
    build.mkdir()
    (build / "probe.bpf.o").write_bytes(b"\x7fELF")
    (build / "gotool").touch()
    return build


BUILT = GOOD.replace("a.bpf.c", "../build/probe.bpf.o")


def test_what_the_repository_holds_may_be_named(folder: Path) -> None:
    build = elsewhere(folder)
    (folder.parent / ".git").mkdir()
    (folder / "linked.o").symlink_to("../build/probe.bpf.o")

    found = load(folder, BUILT)
    assert found.file("../build/probe.bpf.o").resolve() == build / "probe.bpf.o"
    assert found.shown("../build/probe.bpf.o") == "build/probe.bpf.o"
    linked = load(folder, GOOD.replace("a.bpf.c", "linked.o"))
    assert linked.shown("linked.o") == "mine/linked.o"
    assert load(folder, LOADER.replace("[loader]", "[../build/gotool]"))


def test_so_may_what_lies_below_the_matrixs_folder(folder: Path) -> None:
    elsewhere(folder)
    load(folder, GOOD)
    path = folder / "suite.yaml"
    path.write_text(BUILT)

    found = suitefile.load(path, matrix=folder.parent / "matrix.yaml")
    assert found.shown("../build/probe.bpf.o") == "build/probe.bpf.o"
    with pytest.raises(UsageError, match="is outside of the suite's folder"):
        suitefile.load(path)


def test_what_lies_outside_of_the_repository_is_refused(folder: Path) -> None:
    elsewhere(folder)
    (folder / ".git").touch()

    (said,) = mistakes(folder, BUILT)

    assert said.endswith(
        "'../build/probe.bpf.o' is outside of the repository; copy it into the "
        "repository when you build, or load it with --object"
    )


def test_what_the_command_line_names_is_shown_as_it_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = elsewhere(folder)
    (folder / "probe.bpf.o").symlink_to(build / "probe.bpf.o")
    load(folder, GOOD)
    (folder / "suite.yaml").write_text(GOOD.replace("a.bpf.c", "probe.bpf.o"))
    monkeypatch.chdir(build)

    found = suitefile.load(folder / "suite.yaml", named=[Path("probe.bpf.o")])

    assert found.file("probe.bpf.o") == Path("probe.bpf.o")
    assert found.shown("probe.bpf.o") == "probe.bpf.o"


def test_what_a_suite_names_is_known_without_a_check(folder: Path) -> None:
    build = elsewhere(folder)
    (folder / "suite.yaml").write_text(BUILT + "    files: [../build/gotool, none]\n")

    found = suitefile.referenced(folder / "suite.yaml")

    assert [it.resolve() for it in found] == [build / "probe.bpf.o", build / "gotool"]
    for text in ("[", "a", "cases: 1", "cases: [1]", "cases: [{object: 1, files: a}]"):
        (folder / "suite.yaml").write_text(text)
        assert suitefile.referenced(folder / "suite.yaml") == []


def test_a_suite_has_the_name_that_it_gives_itself(folder: Path) -> None:
    assert load(folder, f"name: probe-1.x\n{GOOD}").name == "probe-1.x"


@pytest.mark.parametrize("name", ["''", "a b", "a::b", "-a", "a/b"])
def test_a_suite_s_name_is_like_an_id(folder: Path, name: str) -> None:
    (told,) = mistakes(folder, f"name: {name}\n{GOOD}")
    assert told.startswith("suite.yaml:1: name: ")


def test_two_test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = (tmp_path / name / "test_load.py" for name in ("a", "b"))
    suitefile.require_distinct([], [first, first])
    with pytest.raises(UsageError, match="two suites have the name test_load: ") as it:
        suitefile.require_distinct([], [first, second])
    assert str(second) in it.value.message


def test_a_test_file_with_the_name_of_a_suite_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    suite = load(folder, f"name: test_load\n{GOOD}")
    with pytest.raises(UsageError, match="two suites have the name test_load: "):
        suitefile.require_distinct([suite], [tmp_path / "test_load.py"])


# ------------------------------------------------------------------ former names

TWO = GOOD + CASE.replace("one", "two")


def test_former_names_of_a_case_and_its_suite_go_together(folder: Path) -> None:
    text = TWO.replace("name: one", "name: one\n    was: [uno, old one]")
    loaded = load(folder, f"name: probe\nwas: [worktree2]\n{text}")
    one, two = loaded.suite.cases
    assert loaded.former_names(one) == (
        *("probe::uno", "probe::old one"),
        *("worktree2::one", "worktree2::uno", "worktree2::old one"),
    )
    assert loaded.former_names(two) == ("worktree2::two",)


def test_a_case_that_came_from_another_suite_has_its_whole_name(
    folder: Path,
) -> None:
    text = GOOD.replace("name: one", 'name: one\n    was: [uno, "maps::one"]')
    loaded = load(folder, f"was: [yours]\n{text}")
    assert loaded.former_names(loaded.suite.cases[0]) == (
        *("mine::uno", "yours::one", "yours::uno", "maps::one"),
    )


def test_a_case_of_another_suite_is_no_former_name_while_it_is_there(
    folder: Path, tmp_path: Path
) -> None:
    first = load(folder, GOOD)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.bpf.c").touch()
    text = GOOD.replace("name: one", 'name: one\n    was: ["mine::one"]')
    second = load(other, text)
    with pytest.raises(UsageError) as caught:
        suitefile.require_distinct([first, second])
    said = caught.value.message
    assert "suite.yaml:4: cases[0].was[0]: 'mine::one' is the name of another" in said
    assert f"{folder}/suite.yaml:3" in said


def test_a_case_that_was_never_renamed_has_no_former_names(folder: Path) -> None:
    loaded = load(folder, GOOD)
    assert loaded.former_names(loaded.suite.cases[0]) == ()


@pytest.mark.parametrize(
    ("was", "told"),
    [
        ("[two]", "4: cases[0].was[0]: the case of line 8 has the name 'two' now"),
        ("[one]", "4: cases[0].was[0]: the case of line 3 has the name 'one' now"),
        ("[x]", "9: cases[1].was[0]: the case of line 3 lists 'x', too"),
    ],
)
def test_a_former_name_belongs_to_one_case_that_is_gone(
    folder: Path, was: str, told: str
) -> None:
    text = TWO.replace("name: one", f"name: one\n    was: {was}")
    (said,) = mistakes(folder, text.replace("name: two", "name: two\n    was: [x]"))
    assert said.startswith(f"suite.yaml:{told}")


def test_a_suite_s_former_name_is_not_its_name(folder: Path) -> None:
    (said,) = mistakes(folder, f"was: [mine]\n{GOOD}")
    assert said.startswith("suite.yaml:1: was[0]: 'mine' is the suite's name now")


def test_a_suite_s_former_name_is_not_that_of_another_one(
    folder: Path, tmp_path: Path
) -> None:
    first = load(folder, GOOD)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.bpf.c").touch()
    second = load(other, f"was: [mine]\n{GOOD}")
    with pytest.raises(UsageError) as caught:
        suitefile.require_distinct([second, first])
    assert "suite.yaml:1: was[0]: 'mine' is the name of another suite" in str(
        caught.value
    )
