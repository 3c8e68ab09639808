"""Files read into models; what pydantic finds wrong is reported in a user's words."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Tag, ValidationError
from pydantic_core import ErrorDetails

from runner.errors import MistakesError, UsageError
from runner.files import yamlfile
from runner.files.yamlfile import YamlSource
from runner.text.nearest import near, nearest

# What a model's validators find in their context: the folder that the file is in.
FOLDER = "folder"
_MOST_MISTAKES = 10
# pydantic's kinds of error about a type → what it should be, in YAML's words.
_TYPES = {
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
# Patterns of the models → what they allow, in words; a test finds missing ones.
PATTERNS = {
    r"^[A-Za-z_][A-Za-z0-9_-]*$": "a name of letters, digits, '_' and '-' that does "
    "not begin with a digit or '-'",
    r"^[A-Za-z0-9_][A-Za-z0-9._-]*$": "a file name of letters, digits, '.', '_' and "
    "'-', without folders",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$": "a type and a field of it: task_struct.pid",
    r"^([us](8|16|32|64)|char\[[1-9][0-9]{0,4}\])@[0-9]{1,6}$": "a type and an offset "
    "in bytes: s32@8, or char[16]@40",
    r"\$\{[^}]+\}": "a reference: ${run.retval}",
    r"^([0-9a-fA-F]{2}\s*)+$": "bytes in hexadecimal: 00ff",
    r"^/(proc|sys)/": "a path that begins with /proc/ or /sys/",
    r"^[0-9a-f]{16}$": "16 hexadecimal digits, as bpftool shows a program's tag",
    r"^[a-z_]+/.+$": "a place such as kprobe/NAME or xdp/INTERFACE",
    r"^[A-Za-z_]\w*$": "a name of letters, digits and '_'",
    r"^((struct|union|enum) )?[A-Za-z_]\w*$": "a type: struct file, or file",
    r"^CONFIG_\w+(=.+)?$": "an option: CONFIG_BPF_LSM, or CONFIG_HZ=250",
    r"^(exit|gotest|cargo|tap|gtest|auto|junit=/.+)$": "exit, gotest, cargo, gtest, "
    "tap, auto, or junit=PATH with an absolute path of the guest",
    r"^(root|nobody|[0-9]{1,9}(:[0-9]{1,9})?)$": "root, nobody, UID or UID:GID",
    r"^/": "a path that begins with /",
    r"^CONFIG_\w+=.+$": "a line of a kernel's configuration: CONFIG_BPF_LSM=y",
    r"^[A-Za-z0-9][A-Za-z0-9._+-]*$": "a name of letters, digits, '.', '_', '+' and "
    "'-' that begins with a letter or digit",
    r"^[a-z][a-z0-9-]*$": "a name of lower-case letters, digits and '-'",
    r"^[a-z][a-z0-9-]*(/updates)?$": "a suite's name of lower-case letters, digits and "
    "'-'",
    r"^\d+\.\d+\.\d+-\d[0-9A-Za-z.+~-]*$": "a version such as 5.15.0-91 or "
    "5.15.0-91.101",
    r"^[a-z0-9*?\[\]][a-z0-9.+*?\[\]-]*$": "a package's name; '*', '?' and […] are "
    "wildcards",
    r"^https?://": "an address that begins with http:// or https://",
    r"^https?://[^ ]+$": "an address that begins with http:// or https://",
    r"^linux-image-[a-z0-9.+-]+$": "a package's name that begins with linux-image-",
    r"^[0-9][A-Za-z0-9.+~-]*$": "a package's version: 4.11.6-1",
    r"^[A-Za-z0-9._+~^:-]*\d[A-Za-z0-9._+~^:-]*$": "a package's version: "
    "5.14.0-503.40.1.el9_5",
    r"^[A-Za-z0-9_][A-Za-z0-9._=+-]*$": "a name of letters, digits, '.', '_', '=', '+' "
    "and '-'",
    r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$": "a package's name of letters, digits, '.', '_', "
    "'+' and '-'",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "a name of letters, digits and '_' that does not "
    "begin with a digit",
    r"^([0-9A-Fa-f] *){40}(([0-9A-Fa-f] *){24})?$": "a key's whole fingerprint: 40 or "
    "64 hexadecimal digits",
    r"^[0-9a-f]{64}$": "a SHA-256 checksum of 64 hexadecimal digits",
    r"^\d+\.\d+(\.\d+)?(-[A-Za-z0-9][A-Za-z0-9._+~-]*)?$": "a version: 4.4, "
    "5.10.223, or 4.18.0-553.el8_10",
    r"^gcc(-\d+(\.\d+)?)?$": "gcc, or a version of it: gcc-11",
    r"^[a-z0-9_/.-]+\.h$": "a header: gelf.h",
    r"^[a-z0-9-]+$": "a program's name",
    r"^[A-Z0-9_]+$": "a name of upper-case letters, digits and '_'",
    r'^(y|m|n|-?\d+|0x[0-9a-fA-F]+|"[^"\n]*")$': "y, m, n, a number, or text in double "
    "quotes",
    r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$": "a registry and a repository: "
    "ghcr.io/owner/name",
    r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$": "a tag of letters, digits, '.', '_' and "
    "'-'",
    r"^[a-z0-9.-]+/[a-z0-9.-]+$": "a distribution and its version: ubuntu/16.04",
    r"^[a-z0-9{][a-z0-9.+{}-]*$": "a package's name; {…} is replaced by a value",
    r"^[a-z0-9_]+$": "a name of lower-case letters, digits and '_'",
    r"^([a-z0-9_]+|\.\.\.)$": "a name of lower-case letters, digits and '_', or ...",
    r"^/[^\s:]*$": "an absolute path without blanks and colons",
    r"^[!-+\--~]+$": "one word of printable ASCII, without blanks and commas",
    r"^[A-Za-z0-9_.-]{1,15}$": "a name of at most 15 letters, digits, '_', '.' and '-'",
    r"^[0-9A-Fa-f.:]+/\d{1,3}$": "an address with the length of its prefix: "
    "10.1.0.1/24",
    r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_.-]+)+$": "a sysctl: kernel.kptr_restrict",
    r"^[A-Za-z0-9_-]+$": "a name of letters, digits, '_' and '-'",
    r"^[A-Za-z0-9_.-]+$": "a name of letters, digits, '_', '-' and '.'",
    r"^[!-~]+$": "one word of printable ASCII, without blanks",
}


class FileEntry(BaseModel):
    """Base of what a file is made of: frozen, and no key that it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        defer_build=True,
    )


_Model = TypeVar("_Model", bound=BaseModel)
_Path = tuple[int | str, ...]


# Keys and numbers that lead to a place in a file.
Where = tuple[int | str, ...]


@dataclass(frozen=True)
class Mistake:
    """What is wrong in a file, and where."""

    where: Where
    what: str


def load(path: Path, model: type[_Model]) -> tuple[_Model, YamlSource]:
    """Read a file into a model.

    Raises UsageError that lists every mistake, up to 10, by file and line.
    """
    data, source = yamlfile.read(path)
    try:
        # As JSON, so that lists become tuples while all else stays strict.
        return model.model_validate_json(
            json.dumps(data), context={FOLDER: path.absolute().parent}
        ), source
    except ValidationError as error:
        raise refused(source, _mistakes(source, data, model, error)) from error


def refused(source: YamlSource, mistakes: Sequence[str]) -> UsageError:
    """Return the error that lists mistakes, each a line."""
    shown = list(mistakes[:_MOST_MISTAKES])
    if len(mistakes) > len(shown):
        shown.append(f"{source.path}: and {len(mistakes) - len(shown)} more")
    return MistakesError(shown)


def _mistakes(
    source: YamlSource, data: object, model: type[BaseModel], error: ValidationError
) -> list[str]:
    details = error.errors(include_url=False)
    places = Counter(_in_data(data, it["loc"]) for it in details)
    found = []
    for detail in details:
        if _follows_from_others(detail, details):
            continue
        where = _in_data(data, detail["loc"])
        # In a union, text may not be the only thing that would do.
        unquoted = _unquoted(source, detail, where) if places[where] == 1 else ""
        found.append(source.mistake(where, unquoted or _words(model, detail, where)))
    return found


def _unquoted(source: YamlSource, detail: ErrorDetails, where: _Path) -> str:
    """Tell of text that YAML takes for something else: 5.10, or no."""
    given, written = detail["input"], source.text(where)
    if (
        detail["type"] != "string_type"
        or not isinstance(given, int | float | None)
        # `key:` with nothing behind it is no text that lacks quotes.
        or not written
    ):
        return ""
    kind = "" if given is None or isinstance(given, bool) else "the number "
    read = "nothing" if given is None else _shortened(given)
    return f'write it in quotes, "{written}"; YAML reads {written} as {kind}{read}'


def _follows_from_others(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    # A list whose items are wrong counts as too short as well.
    location = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(location)] == location and len(other["loc"]) > len(location)
        for other in details
    )


def sentences(model: type[BaseModel], error: ValidationError, data: object) -> str:
    """Return what is wrong with data that no file holds, each mistake a line."""
    found = []
    for detail in error.errors(include_url=False):
        where = _in_data(data, detail["loc"])
        place = "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in where)
        words = _words(model, detail, where)
        found.append(f"{place.removeprefix('.')}: {words}" if place else words)
    return "\n".join(found)


def _in_data(data: object, location: _Path) -> _Path:
    """Return a location without the names of union members that pydantic puts in."""
    kept: list[int | str] = []
    node: Any = data
    for number, part in enumerate(location):
        last = number == len(location) - 1
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            if not (last and isinstance(node, dict) and _is_key(part)):
                continue
        kept.append(part)
    return tuple(kept)


def _is_key(part: int | str) -> bool:
    return isinstance(part, str) and part.replace("_", "").isalnum() and part.islower()


def _words(model: type[BaseModel], detail: ErrorDetails, where: _Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    given = detail["input"]
    match kind:
        case "extra_forbidden":
            key = str(where[-1]) if where else str(detail["loc"][-1])
            owner = _model_at(model, detail["loc"][:-1])
            return f"unknown key {key!r}{near(key, _keys(owner))}"
        case "missing" if isinstance(detail["loc"][-1], int):
            return f"{_shortened(given)}: has too few items"
        case "too_long":
            return (
                f"{_shortened(given)}: has {context['actual_length']} items; at most "
                f"{context['max_length']} are allowed"
            )
        case "missing":
            return f"key {detail['loc'][-1]!r} is missing"
        case "union_tag_invalid":
            known = _quoted(context["expected_tags"])
            key = _quoted(context["discriminator"])[0]
            return f"unknown {key} {context['tag']!r}{near(context['tag'], known)}"
        case "union_tag_not_found":
            return f"key {context['discriminator']} is missing"
        case "string_pattern_mismatch":
            pattern = str(context["pattern"])
            return f"{given!r} must be {PATTERNS.get(pattern, f'like {pattern}')}"
        case "literal_error":
            known = _quoted(context["expected"])
            likely = near(given, known) if _close(given, known) else ""
            return f"{written(given)} must be {context['expected']}{likely}"
        case "no_key":
            given_keys = list(given) if isinstance(given, dict) else []
            wanted = detail["msg"].removeprefix("needs one of the keys ").split(", ")
            return detail["msg"] + next(
                (near(key, wanted) for key in given_keys if _close(key, wanted)), ""
            )
        case "too_short":
            return "must not be empty"
        case "value_error":
            return str(context["error"])
        case _:
            said = detail["msg"].removeprefix("Input ")
            if kind in _TYPES:
                said = f"should be {_TYPES[kind]}"
            return f"{_shortened(given)}: {said[0].lower()}{said[1:]}"


def _quoted(words: str) -> list[str]:
    """Return the words that pydantic lists: "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", words)


def _close(word: object, known: Sequence[str]) -> bool:
    return isinstance(word, str) and bool(nearest(word, known))


def written(given: object) -> str:
    """Return a value as messages show it: text in quotes, the rest as YAML has it."""
    return repr(given) if isinstance(given, str) else _shortened(given)


def _shortened(given: object) -> str:
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(
    model: type[BaseModel], location: Sequence[int | str]
) -> type[BaseModel] | None:
    """Return the model that a location leads to."""
    current: Any = model
    for part in location:
        members = dict(_members(current))
        if part in members:
            current = members[str(part)]
            continue
        for member in members.values():
            fields = {f.alias or n: f for n, f in member.model_fields.items()}
            if part in fields:
                field = fields[str(part)]
                current = field.annotation
                break
    return next((member for _, member in _members(current)), None)


def _members(annotation: Any, tag: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Return the models that an annotation may mean, by tag or else by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield tag or _type_of(annotation) or annotation.__name__, annotation
    elif get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        tags = [it.tag for it in metadata if isinstance(it, Tag)]
        yield from _members(inner, tags[0] if tags else "")
    elif get_origin(annotation) in (Union, UnionType, tuple, dict, list):
        for argument in get_args(annotation):
            yield from _members(argument)


def _type_of(model: type[BaseModel]) -> str:
    """Return the only value of a model's key `type`, which tells it apart."""
    field = model.model_fields.get("type")
    arguments = get_args(field.annotation) if field else ()
    return str(arguments[0]) if arguments else ""
