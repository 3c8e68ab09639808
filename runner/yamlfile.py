"""YAML files with positions: plain data, and where each part of it stands."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from runner.errors import UsageError

_LARGEST = 1 << 20
# Nodes after all aliases are followed; a matrix of a thousand kernels has 20,000.
_MOST_NODES = 200_000
_DEEPEST = 50
_Path = tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A parsed file that still knows where everything stands."""

    path: Path
    root: yaml.Node

    def line(self, where: Sequence[int | str]) -> int:
        """Return the line, from 1, of the nearest node that `where` leads to."""
        node = self.root
        line = node.start_mark.line
        for part in where:
            found = child(node, part)
            if found is None:
                break
            mark, node = found
            line = mark.line
        return int(line) + 1

    def mistake(self, where: Sequence[int | str], what: str) -> str:
        """Return "matrix.yaml:12: kernels[3].btf: what"."""
        shown = _shown(where)
        return f"{self.path}:{self.line(where)}: {f'{shown}: ' if shown else ''}{what}"


def read(path: Path) -> tuple[object, Source]:
    """Read a file into plain data: null, bool, numbers, text, lists, mappings.

    Raises UsageError for what is no YAML, or more than one file should hold.
    """
    source = Source(path=path, root=_parse(path, _text(path)))
    return _construct(source), source


# ------------------------------------------------------------- text to nodes


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: larger than {_LARGEST >> 20} MiB")
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: {words}") from error


class _Loader(yaml.SafeLoader):
    """Constructs plain data; refuses what JSON can't hold."""


# 2026-01-01 stays text: nothing here is a date, and JSON has none.
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, expression)
        for tag, expression in resolvers
        if not tag.endswith("timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(path: Path, text: str) -> yaml.Node:
    try:
        documents = list(yaml.compose_all(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UsageError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    if not documents:
        raise UsageError(f"{path}:1: the file is empty")
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        raise UsageError(f"{path}:{line}: a second document; one file holds one")
    _check_size(path, documents[0])
    return documents[0]


def _check_size(path: Path, root: yaml.Node) -> None:
    """Refuse what grows without bounds once aliases are followed."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int, above: frozenset[int]) -> int:
        line = node.start_mark.line + 1
        if id(node) in above:
            raise UsageError(f"{path}:{line}: an alias that holds itself")
        if depth > _DEEPEST:
            raise UsageError(f"{path}:{line}: nested deeper than {_DEEPEST} levels")
        if id(node) not in sizes:
            inside = above | {id(node)}
            sizes[id(node)] = 1 + sum(
                size(child, depth + 1, inside) for child in _children(node)
            )
        if sizes[id(node)] > _MOST_NODES:
            raise UsageError(
                f"{path}:{line}: its aliases expand to more than {_MOST_NODES} values"
            )
        return sizes[id(node)]

    size(root, 0, frozenset())


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _construct(source: Source) -> object:
    """Return plain data: null, bool, numbers, text, lists, mappings with text keys."""

    def build(node: yaml.Node, where: _Path) -> object:
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*where, n)) for n, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return mapping(node, where)
        return scalar(node, where)

    def mapping(node: yaml.MappingNode, where: _Path) -> dict[str, object]:
        built: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(
                ("null", "merge")
            ):
                raise UsageError(f"{source.path}:{line}: a key must be text")
            if key in built:
                raise UsageError(
                    f"{source.path}:{line}: key {key!r} again; it stands in line "
                    f"{lines[key]} already"
                )
            lines[key] = line
            built[key] = build(value_node, (*where, key))
        return built

    def scalar(node: yaml.Node, where: _Path) -> object:
        loader = _Loader("")
        try:
            value: object = loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            reason = getattr(error, "problem", None) or error
            raise UsageError(
                source.mistake(where, f"not plain data: {reason}")
            ) from error
        finally:
            loader.dispose()
        if isinstance(value, float) and where and where[-1] == "id":
            raise UsageError(
                source.mistake(
                    where,
                    f'write it in quotes, "{node.value}"; YAML reads {node.value} as '
                    f"the number {value}",
                )
            )
        if not isinstance(value, str | int | float | bool | None):
            raise UsageError(source.mistake(where, "not plain data"))
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(source.mistake(where, f"{value} is no number to use"))
        return value

    return build(source.root, ())


def child(node: yaml.Node, part: int | str) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        for item in node.value[part : part + 1]:
            return item.start_mark, item
    return None


def _shown(where: Sequence[int | str]) -> str:
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
