"""Cases with a command: what is wrong with one, by its key."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import commandcase, suitefile
from runner.suites.model import Case

CASE = """\
description: A suite.
cases:
  - name: mine
    command: [./tool, --once]
"""


def load(folder: Path, text: str) -> Case:
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\n")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/input").touch()
    (folder / "suite.yaml").write_text(text)
    (case,) = suitefile.load(folder / "suite.yaml").suite.cases
    return case


def mistake(folder: Path, more: str, text: str = CASE) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, f"{text}    {more}\n")
    return caught.value.message.partition(": ")[2]


def test_a_command_needs_neither_an_object_nor_an_expectation(tmp_path: Path) -> None:
    case = load(tmp_path, CASE)

    assert case.command == ("./tool", "--once")
    assert case.results == "exit"
    assert commandcase.program(case, tmp_path.joinpath) == tmp_path / "tool"


def test_all_keys_of_a_command_are_taken(tmp_path: Path) -> None:
    case = load(
        tmp_path,
        CASE
        + "    results: junit=/tmp/a.xml\n"
        + "    files: [data, 'tool:/usr/bin/mine']\n"
        + "    env: {A: '1'}\n    stdin: data/input\n    timeout: 5\n"
        + "    as: '1000:50'\n    cwd: /tmp\n    isolate: true\n",
    )

    assert case.user == (1000, 50)
    assert [commandcase.split(it) for it in case.files] == [
        ("data", ""),
        ("tool", "/usr/bin/mine"),
    ]


@pytest.mark.parametrize(
    ("name", "user"),
    [("root", None), ("0", None), ("nobody", (65534, 65534)), ("7", (7, 7))],
)
def test_users_are_numbers(name: str, user: tuple[int, int] | None) -> None:
    assert Case.model_validate({"name": "a", "as": name}).user == user


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("object: a.o", "does not work with `command`"),
        ("trigger: []", "does not work with `command`"),
        ("variants: {mcpu: [v1, v3]}", "does not work with `command`"),
        ("only: [on_exec]", "does not work with `command`"),
        ("guest: {user: {uid: 1000}}", "for a command, write `as`"),
        ("expect: [{value: '${run.exit}', equals: 0}]", "does not work with `command`"),
        ("expect: [{program: p, xlated: [{number: 1}]}]", "does not work with"),
        ("expect: [{map: m, key: 1}]", "needs one of equals"),
        ("expect: [{map: m, key: 1, equals: '${a.b}'}]", "references are not replaced"),
        ("expect: [{loaded: {type: kprobe}}]", "needs either `program` or `map`"),
        (
            "expect: [{loaded: {program: a, map: b}}]",
            "needs either `program` or `map`",
        ),
        ("expect: [{loaded: {map: a, attach: xdp}}]", "maps have none"),
        (
            "expect: [{loaded: {map: a, type: perfevent_array, present: false}}]",
            "expect[0].loaded.type: there is no type of maps 'perfevent_array'; "
            "did you mean 'perf_event_array'?",
        ),
        (
            "expect: [{loaded: {program: a, type: ringbuf}}]",
            "there is no type of programs 'ringbuf'",
        ),
        (
            "expect: [{loaded: {program: a, attach: kprobes, present: false}}]",
            "expect[0].loaded.attach: there is no kind of place 'kprobes'; "
            "did you mean 'kprobe'?",
        ),
        ("expect: [{loaded: {program: a, attach: 'kprobe:f'}}]", "mean 'kprobe'?"),
        ("expect: [{loaded: {program: a, attach: raw_tracepoint/f}}]", "'raw_tp'?"),
        ("expect: [{loaded: {program: a, attach: trace_fentry}}]", "'fentry'?"),
        ("expect: [{loaded: {program: a, attach: kprobe/}}]", "no name behind kprobe/"),
        ("expect: [{loaded: {program: a, attach: socket/x}}]", "has no names"),
        ("expect: [{loaded: {program: a, tag: xy}}]", "16 hexadecimal digits"),
        ("expect: [{loaded: {map: a, presence: false}}]", "did you mean 'present'?"),
        ("expect: [{map: m, show: {flags: 1}}]", "is not recorded; keys are bytes_key"),
        ("expect: [{map: m, show: {type: '${a.b}'}}]", "references are not replaced"),
        (
            "expect: [{map: m, inner: 0, show: {type: hash}}]",
            "does not work with `show` of a `command`; expect its rows",
        ),
        ("expect: [{show: {type: hash}}]", "needs either `program` or `map`"),
        (
            "expect: [{loaded: {map: a}}]\n    record: false",
            "remove `record: false`",
        ),
        ("results: perl", "exit, gotest, cargo, gtest, tap, auto, or junit=PATH"),
        ("results: junit=a.xml", "an absolute path of the guest"),
        ("as: me", "root, nobody, UID or UID:GID"),
        ("cwd: tmp", "a path that begins with /"),
        ("stdin: none", "no file 'none'"),
        ("files: [none]", "no file 'none'"),
        ("files: ['tool:/a/../b']", "must be an absolute path without .."),
        ("files: [data/input, 'tool:/run/files/input']", "like 'data/input'"),
        ("files: ['data/input:/run/files/tool']", "like './tool'"),
        ("timeout: 0", "greater than 0"),
        ("env: {'A=B': c}", "is not the name of a variable"),
        (
            "expect_failure: {class: command_failed, reason: x}\n    results: tap",
            "only works with `results: exit`",
        ),
        ("kernels: '>=5.4'", "needs a `reason`"),
        ("root: none.tar", "there is no folder, tar or image 'none.tar'"),
        ("root: debian:12", "an image needs its registry: REGISTRY/NAME:TAG"),
        ("root: /usr", "is outside of the"),
        ("headers: true", "needs a `root`"),
    ],
)
def test_a_mistake_is_told(more: str, words: str, tmp_path: Path) -> None:
    assert words in mistake(tmp_path, more)


@pytest.mark.parametrize(
    "key",
    [
        "results: exit",
        "env: {A: b}",
        "stdin: tool",
        "as: root",
        "isolate: true",
        "record: false",
        "root: data",
        "headers: true",
    ],
)
def test_keys_of_commands_need_one(key: str, tmp_path: Path) -> None:
    text = CASE.replace("command: [./tool, --once]", "files: [tool]\n    expect: []")

    assert "needs a `command`" in mistake(tmp_path, key, text)


@pytest.mark.parametrize(
    ("command", "words"),
    [("[./none]", "no file './none'"), ("['']", "no name"), ("[data/input/x]", "x")],
)
def test_a_program_that_is_not_there_is_told(
    command: str, words: str, tmp_path: Path
) -> None:
    text = CASE.replace("[./tool, --once]", command)

    assert words in mistake(tmp_path, "timeout: 5", text)


def test_what_is_loaded_is_only_known_of_a_command(tmp_path: Path) -> None:
    text = CASE.replace("command: [./tool, --once]", "files: [tool]")

    words = mistake(tmp_path, "expect: [{loaded: {map: a}}]", text)

    assert "expect[0].loaded: needs a `command`" in words


def test_a_name_that_is_no_file_is_a_program_of_the_guest(tmp_path: Path) -> None:
    case = load(tmp_path, CASE.replace("[./tool, --once]", "[sh, -c, 'echo ${HOME}']"))

    assert commandcase.program(case, tmp_path.joinpath) is None


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("a", ("a", "")),
        ("a:/b", ("a", "/b")),
        ("a:b:/c", ("a:b", "/c")),
        ("a:b", ("a:b", "")),
        (":/b", (":/b", "")),
    ],
)
def test_a_file_may_say_where_it_goes(word: str, parts: tuple[str, str]) -> None:
    assert commandcase.split(word) == parts


@pytest.mark.parametrize(
    "root",
    ["data", "data/input", "registry.example/team/tools:v1", "localhost:5000/tools"],
)
def test_a_root_is_a_folder_a_file_or_an_image_with_its_registry(
    root: str, tmp_path: Path
) -> None:
    assert load(tmp_path, f"{CASE}    root: {root}\n").root == root


@pytest.mark.parametrize("program", ["/bin/sh", "bpftrace"])
def test_a_program_of_the_root_is_none_of_this_machine(
    program: str, tmp_path: Path
) -> None:
    text = CASE.replace("./tool", program)

    case = load(tmp_path, f"{text}    root: data\n")

    assert commandcase.program(case, tmp_path.joinpath) is None
