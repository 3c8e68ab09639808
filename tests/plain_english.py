"""Look for words of docs/glossary.yaml where users and contributors read.

`python -m tests.plain_english` checks the repository: Markdown outside of code, the
string literals of the Python and C sources, and files that hold messages as text.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs/glossary.yaml"

# Fenced blocks, indented blocks, inline code, comments, and addresses of links.
_MARKDOWN_CODE = re.compile(
    r"^(?P<fence>```|~~~).*?^(?P=fence)|^(?: {4}|\t)[^\n]*"
    r"|(?P<ticks>`+).*?(?P=ticks)|<!--.*?-->|\]\([^)\n]*\)",
    re.M | re.S,
)
# What begins in C with a quote or as a comment. A literal may be made of several.
_C_TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|\'(?:\\.|[^\'\\])+\'|(?P<text>"(?:\\.|[^"\\])*"'
    r'(?:\s*"(?:\\.|[^"\\])*")*)',
    re.S,
)
_SHELL_COMMENT = re.compile(r"^\s*#[^\n]*", re.M)


@dataclass(frozen=True, kw_only=True)
class Word:
    """A row of the glossary."""

    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text that somebody reads, and the line that it begins in."""

    line: int
    text: str


def glossary(path: Path = GLOSSARY) -> list[Word]:
    """Read the table. A blank in its patterns also matches a line break."""
    return [
        Word(
            pattern=re.compile(row["not"].replace(" ", r"\s+"), re.I),
            instead=row["but"],
        )
        for row in yaml.safe_load(path.read_text())
    ]


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    """Return the text without what matches, and with the same lines."""
    return pattern.sub(lambda found: "\x00" + "\n" * found[0].count("\n"), text)


def markdown(source: str) -> Iterator[Text]:
    """Yield the prose of a Markdown file."""
    yield Text(line=1, text=_blanked(_MARKDOWN_CODE, source))


def python(source: str) -> Iterator[Text]:
    """Yield the string literals of a Python file that are not docstrings."""
    tree = ast.parse(source)
    skipped = {
        id(part)
        for node in ast.walk(tree)
        for part in (*_docstring(node), *_parts(node))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts = (
                part.value if isinstance(part, ast.Constant) else "\x00"
                for part in node.values
            )
            yield Text(line=node.lineno, text="".join(map(str, texts)))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield Text(line=node.lineno, text=node.value)


def _docstring(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case (
            ast.Module(body=[ast.Expr(value=text), *_])
            | ast.ClassDef(body=[ast.Expr(value=text), *_])
            | ast.FunctionDef(body=[ast.Expr(value=text), *_])
            | ast.AsyncFunctionDef(body=[ast.Expr(value=text), *_])
        ):
            yield text


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr):
        yield from node.values


def c(source: str) -> Iterator[Text]:
    """Yield the string literals of a C file; adjacent ones are one."""
    for found in _C_TOKEN.finditer(source):
        if found["text"]:
            text = re.sub(r'"\s*"', "", found["text"]).replace(r"\n", "\n")
            yield Text(line=source.count("\n", 0, found.start()) + 1, text=text)


def plain(source: str) -> Iterator[Text]:
    """Yield a script or configuration file without its comments."""
    yield Text(line=1, text=_blanked(_SHELL_COMMENT, source))


# Which files are read, and how; the first pattern that fits a path counts.
READERS = (
    ("*.md", markdown),
    ("runner/*.py", python),
    ("bench/*.py", python),
    ("images/*.[ch]", c),
    ("runner/failures/*.yaml", plain),
    ("runner/reports/templates/*", plain),
    (".github/scripts/*", plain),
    ("suites/*.yaml", plain),
    ("docs/*.yaml", plain),
    ("matrix.yaml", plain),
    ("*.yml", plain),
    ("dev", plain),
)


def problems(texts: Iterator[Text], words: list[Word]) -> list[tuple[int, str]]:
    """Return the line of each word that the glossary replaces, and what to write."""
    return sorted(
        (
            it.line + it.text.count("\n", 0, found.start()),
            f"{' '.join(found[0].split())!r}: write {word.instead!r}",
        )
        for it in texts
        for word in words
        for found in word.pattern.finditer(it.text)
    )


def _files(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def main() -> int:
    """Print every problem as FILE:LINE, and return 1 when there is one."""
    words = glossary()
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for pattern, reader in READERS
        for path in _files(pattern)
        if path.is_file() and path != GLOSSARY and "tests/" not in str(path)
        for line, what in problems(reader(path.read_text()), words)
    ]
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
