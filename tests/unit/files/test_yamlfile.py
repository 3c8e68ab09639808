"""YAML files, of which a user may write any."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.errors import ExitStatus, UsageError
from runner.files import yamlfile


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path) -> str:
    """Return what is said of a file, less the folder."""
    with pytest.raises(UsageError) as caught:
        yamlfile.read(path)
    assert caught.value.exit_status is ExitStatus.USAGE
    return caught.value.message.replace(f"{path.parent}/", "")


def test_yaml_becomes_plain_data(tmp_path: Path) -> None:
    path = written(tmp_path, "a: [1, 2.5, yes, ~, 'b']\nc: {d: '5.10', 7: e}\n")

    data, _ = yamlfile.read(path)

    assert data == {"a": [1, 2.5, True, None, "b"], "c": {"d": "5.10", "7": "e"}}


def test_dates_and_equal_signs_are_text(tmp_path: Path) -> None:
    data, _ = yamlfile.read(written(tmp_path, "a: 2026-01-01\nb: =\n"))

    assert data == {"a": "2026-01-01", "b": "="}


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    data, _ = yamlfile.read(written(tmp_path, "a: &x {b: 1}\nc: *x\n"))

    assert data == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_source_knows_lines_and_text(tmp_path: Path) -> None:
    path = written(tmp_path, "a:\n  - b: 5.10\n  -\n    c: d\n")

    _, source = yamlfile.read(path)

    assert source.line(("a", 0, "b")) == 2
    assert source.line(("a", 1, "c")) == 4
    # The nearest line that there is.
    assert source.line(("a", 1, "missing", "deeper")) == 4
    assert source.text(("a", 0, "b")) == "5.10"
    assert source.text(("a",)) is None
    assert source.text(("z",)) is None
    assert source.mistake(("a", 1, "c"), "odd") == f"{path}:4: a[1].c: odd"
    assert source.mistake((), "odd") == f"{path}:1: odd"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file.yaml:1: the file is empty"),
        ("# a comment\n", "file.yaml:1: the file is empty"),
        (
            "a: 1\n---\nb: 2\n",
            "file.yaml:3: a second document; a file may contain only one",
        ),
        ("a: b: c\n", "file.yaml:1: not YAML: mapping values are not allowed here"),
        (
            "a:\n  - [1\n",
            "file.yaml:3: not YAML: expected ',' or ']', but got '<stream end>'",
        ),
        ("a: 1\nb: *c\n", "file.yaml:2: not YAML: found undefined alias 'c'"),
        (b"a: 1\n\x7fELF\xff\xfe", "file.yaml:2: not UTF-8 text (byte 9)"),
        (
            b"a: 1\nb: \x00\n",
            "file.yaml:2: not YAML: character U+0000 is not allowed",
        ),
        (
            'a: 1\nb: "\\U00110000"\n',
            "file.yaml:2: not YAML: an invalid escape",
        ),
        (
            'a: 1\nb: "\\UFFFFFFFF"\n',
            "file.yaml:2: not YAML: an invalid escape",
        ),
        (
            'a: 1\nb: "\\uD800"\n',
            "file.yaml:2: b: half a surrogate pair is not text",
        ),
        (
            'a: 1\n"\\uD800": b\n',
            "file.yaml:2: half a surrogate pair is not text",
        ),
        (
            "a: 1\nb: 2\na: 3\n",
            "file.yaml:3: key 'a' is used twice; it is already in line 1",
        ),
        (
            "1: a\n'1': b\n",
            "file.yaml:2: key '1' is used twice; it is already in line 1",
        ),
        ("a: 1\n? [b]\n: c\n", "file.yaml:2: a key must be text"),
        ("a: 1\n~: b\n", "file.yaml:2: a key must be text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "file.yaml:3: a key must be text"),
        ("a: 1\nb: !!int x\n", "file.yaml:2: b: 'x' is not of type int"),
        ("a: !!int ''\n", "file.yaml:1: a: '' is not of type int"),
        ("a: !!float ''\n", "file.yaml:1: a: '' is not of type float"),
        ("a: !!bool perhaps\n", "file.yaml:1: a: 'perhaps' is not of type bool"),
        (
            "a: !!timestamp x\n",
            "file.yaml:1: a: !!timestamp is not allowed; use plain data",
        ),
        (
            "a: !!binary aGk=\n",
            "file.yaml:1: a: !!binary is not allowed; use plain data",
        ),
        ("a: !!set {b, c}\n", "file.yaml:1: a: !!set is not allowed; use plain data"),
        (
            "a:\n  - !!python/object/apply:os.system [id]\n",
            "file.yaml:2: a[0]: !!python/object/apply:os.system is not allowed; use "
            "plain data",
        ),
        ("a: !mine b\n", "file.yaml:1: a: !mine is not allowed; use plain data"),
        ("a: .inf\n", "file.yaml:1: a: inf is not a finite number"),
        ("a: [.nan]\n", "file.yaml:1: a[0]: nan is not a finite number"),
        (
            "a: 0x" + "f" * 5000,
            f"file.yaml:1: a: '0x{'f' * 37}…' is too large",
        ),
        ("a: " + "9" * 5000, f"file.yaml:1: a: '{'9' * 39}…' is not of type int"),
        ("&a [*a]\n", "file.yaml:1: an alias that contains itself"),
        ("a: &a\n  b: *a\n", "file.yaml:1: an alias that contains itself"),
        ("\n" + "[" * 5000, "file.yaml:2: not YAML: nested deeper than 50 levels"),
        (
            "".join(f"{' ' * n}a:\n" for n in range(60)),
            "file.yaml:50: not YAML: nested deeper than 50 levels",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert refusal(written(tmp_path, content)) == said


def test_aliases_may_not_explode(tmp_path: Path) -> None:
    # A billion laughs, in 30 lines.
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    said = refusal(written(tmp_path, "\n".join(lines)))

    assert said == "file.yaml:7: its aliases expand to more than 200000 values"


def test_aliases_may_not_nest_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000)]

    said = refusal(written(tmp_path, "\n".join(lines)))

    assert said == "file.yaml:50: nested deeper than 50 levels"


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "# " + "x" * (1 << 20)))

    assert said == "file.yaml: larger than 1 MiB"


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(UsageError, match="/dev/zero: larger than 1 MiB"):
        yamlfile.read(Path("/dev/zero"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml") == "none.yaml: No such file or directory"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        yamlfile.read(tmp_path)

    assert caught.value.message == f"{tmp_path}: Is a directory"


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="null byte"):
        yamlfile.read(tmp_path / "a\0b")


_SYNTAX = st.lists(
    st.sampled_from(
        [
            *("[]{}:,-?&*!|>'\"%@`#~\n\t \\<="),
            *("&a", "*a", "!!int", "!!bool", "!!set", "!!float", "!!null", "a: "),
            *("- ", "<<: ", "\\U", "\\u", "D800", "0x", "1:60", ".inf", "yes"),
            *("\x85", "\ufeff", "---\n", "...\n", "1e999", "2026-01-01"),
        ]
    ),
    max_size=40,
).map("".join)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        _SYNTAX.map(str.encode),
    )
)
@example(content=b"\xff\xfe\x00")
@example(content=b"\xef\xbb\xbf\xef\xbb\xbfa")
@example(content=b"%YAML 9.9\n---\n")
@example(content=b"!!bool")
@example(content=b"? ? ? ?")
def test_any_bytes_are_plain_data_or_a_usage_error(
    tmp_path: Path, content: bytes
) -> None:
    try:
        data, source = yamlfile.read(written(tmp_path, content))
    except UsageError as error:
        said = error.message
    else:
        json.dumps(data, allow_nan=False).encode()
        said = source.mistake((), "nothing")
    # It can be printed.
    assert said.encode().startswith(bytes(tmp_path))
