"""YAML files with positions: plain data, and where each part of it stands."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from runner.errors import UsageError

# Bytes of a file that is read.
LARGEST = 1 << 20
# More bits than any number in a kernel; Python refuses to print very large ones.
_LARGEST_NUMBER = 128
# Nodes after all aliases are followed; a matrix of a thousand kernels has 20,000.
_MOST_NODES = 200_000
_DEEPEST = 50
# What JSON holds as well.
_PLAIN = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "seq", "map")
)
_Path = tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True)
class YamlSource:
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

    def has(self, where: Sequence[int | str]) -> bool:
        """Whether there is a node where `where` leads to."""
        node = self.root
        for part in where:
            found = child(node, part)
            if found is None:
                return False
            _, node = found
        return True

    def text(self, where: Sequence[int | str]) -> str | None:
        """Return a scalar as it is written, or None where there is none."""
        node = self.root
        for part in where:
            found = child(node, part)
            if found is None:
                return None
            _, node = found
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def mistake(self, where: Sequence[int | str], what: str) -> str:
        """Return "matrix.yaml:12: kernels[3].btf: what"."""
        place = shown(where)
        return f"{self.path}:{self.line(where)}: {f'{place}: ' if place else ''}{what}"


def read(path: Path) -> tuple[object, YamlSource]:
    """Read a file into plain data: null, bool, numbers, text, lists, mappings.

    Raises UsageError for something that is not YAML, or more than one file should hold.
    """
    source = YamlSource(path=path, root=_parse(path, _text(path)))
    return _construct(source), source


# ------------------------------------------------------------- text to nodes


def _text(path: Path) -> str:
    try:
        # By reading, because /dev/zero says that it is empty.
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: {words}") from error
    if len(data) > LARGEST:
        raise UsageError(f"{path}: larger than {LARGEST >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}:{line}: not UTF-8 text (byte {error.start})"
        ) from error


class _YamlLoader(yaml.SafeLoader):
    """Composes nodes, but no deeper than anything here is nested."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {_DEEPEST} levels",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


# 2026-01-01 stays text: nothing here is a date, and JSON has none. So does "=".
_YamlLoader.yaml_implicit_resolvers = {
    first: [
        (tag, expression)
        for tag, expression in resolvers
        if not tag.endswith(("timestamp", "value"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(path: Path, text: str) -> yaml.Node:
    try:
        loader = _YamlLoader(text)
        documents = list(_documents(loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UsageError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{path}:{line}: not YAML: character U+{ord(text[error.position]):04X} "
            "is not allowed"
        ) from error
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{path}:{loader.line + 1}: not YAML: an invalid escape"
        ) from error
    if not documents:
        raise UsageError(f"{path}:1: the file is empty")
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        raise UsageError(
            f"{path}:{line}: a second document; a file may contain only one"
        )
    _check_size(path, documents[0])
    return documents[0]


def _documents(loader: _YamlLoader) -> Iterator[yaml.Node]:
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            yield node
    finally:
        loader.dispose()


def _check_size(path: Path, root: yaml.Node) -> None:
    """Refuse what grows without bounds once aliases are followed."""
    # Node → nodes and levels below and with it.
    known: dict[int, tuple[int, int]] = {}

    def measure(node: yaml.Node, above: frozenset[int]) -> tuple[int, int]:
        line = node.start_mark.line + 1
        if id(node) in above:
            raise UsageError(f"{path}:{line}: an alias that contains itself")
        if id(node) not in known:
            inside = above | {id(node)}
            below = [measure(child, inside) for child in _children(node)]
            known[id(node)] = (
                1 + sum(nodes for nodes, _ in below),
                1 + max((levels for _, levels in below), default=0),
            )
        nodes, levels = known[id(node)]
        if levels > _DEEPEST:
            raise UsageError(f"{path}:{line}: nested deeper than {_DEEPEST} levels")
        if nodes > _MOST_NODES:
            raise UsageError(
                f"{path}:{line}: its aliases expand to more than {_MOST_NODES} values"
            )
        return nodes, levels

    measure(root, frozenset())


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _construct(source: YamlSource) -> object:
    """Return plain data: null, bool, numbers, text, lists, mappings with text keys."""

    def build(node: yaml.Node, where: _Path) -> object:
        if node.tag not in _PLAIN:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise UsageError(
                source.mistake(where, f"{tag} is not allowed; use plain data")
            )
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
            if not _is_unicode(key):
                raise UsageError(
                    f"{source.path}:{line}: half a surrogate pair is not text"
                )
            if key in built:
                raise UsageError(
                    f"{source.path}:{line}: key {key!r} is used twice; it is already "
                    f"in line {lines[key]}"
                )
            lines[key] = line
            built[key] = build(value_node, (*where, key))
        return built

    def scalar(node: yaml.Node, where: _Path) -> object:
        loader = _YamlLoader("")
        try:
            value: object = loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError) as error:
            # "!!int x", or more digits than Python reads.
            kind = node.tag.rpartition(":")[2]
            raise UsageError(
                source.mistake(where, f"{_start(node.value)} is not of type {kind}")
            ) from error
        finally:
            loader.dispose()
        if isinstance(value, str) and not _is_unicode(value):
            raise UsageError(source.mistake(where, "half a surrogate pair is not text"))
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(source.mistake(where, f"{value} is not a finite number"))
        if isinstance(value, int) and value.bit_length() > _LARGEST_NUMBER:
            raise UsageError(
                source.mistake(where, f"{_start(node.value)} is too large")
            )
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


def _is_unicode(text: str) -> bool:
    # YAML's "\uD800" makes text that can be neither printed nor written.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _start(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def shown(where: Sequence[int | str]) -> str:
    """Return a place in a file as messages show it: "kernels[3].btf"."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
