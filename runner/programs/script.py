"""The first line of a script, which says what runs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.programs.errors import ProgramError

# BINPRM_BUF_SIZE of the kernel (5.1).
_MOST_LINE = 256
# Scripts that may run each other; the kernel has about as many (bprm->recursion_depth).
_MOST_SCRIPTS = 4
_ENV = {"/usr/bin/env", "/bin/env"}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """What a script's first line names."""

    # As it is written.
    path: str
    # What `env` looks up in PATH; empty for another interpreter.
    program: str = ""


def interpreter(stream: IO[bytes], path: Path) -> Interpreter:
    """Read what runs a script, which begins where a stream is.

    `path` is for people. Raises ProgramError for a file that is not a script, and for
    one that names nothing.
    """
    first = stream.read(_MOST_LINE)
    if not first.startswith(b"#!"):
        raise ProgramError(
            f"{path} is not a program: it is not an ELF file, and does not begin with "
            "#! and an interpreter",
            failure_class="program_bad",
            hint="name a program, or a script that begins with #!/bin/sh",
        )
    words = first[2:].split(b"\n")[0].decode("utf-8", "replace").split()
    if not words:
        raise ProgramError(
            f"{path}: its first line names no interpreter",
            failure_class="interpreter_missing",
            hint="write #!/bin/sh, for example",
        )
    if words[0] in _ENV:
        # Options, such as -S, and variables that it sets may stand before.
        named = [it for it in words[1:] if not it.startswith("-") and "=" not in it]
        return Interpreter(path=words[0], program="".join(named[:1]))
    return Interpreter(path=words[0])


def require_depth(depth: int, path: Path) -> None:
    """Refuse a script below as many others. Raises ProgramError."""
    if depth == _MOST_SCRIPTS:
        raise ProgramError(
            f"{path}: its interpreters are scripts that need each other",
            failure_class="interpreter_missing",
        )


def no_interpreter(path: Path, name: str, where: str) -> ProgramError:
    """Return the error of a script whose interpreter is not there."""
    return ProgramError(
        f"{path} needs the interpreter {name}, which is not {where}",
        failure_class="interpreter_missing",
        hint="install it, or name another one in the script's first line",
    )
