"""Loaders of the user's own: put into the guest, kept running, looked at, ended.

What they load is found by asking the kernel for all that is loaded: nobody else loads
anything in their guest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from runner.agent import AgentSession, LoadedObject, MapInfo, ProgramInfo
from runner.bpf import bpftool
from runner.errors import UsageError
from runner.references import resolve
from runner.session.guest import Guest
from runner.suite import Case, Command, ValueExpectation

FOLDER = PurePosixPath("/run/agent/files")
KERNELS_BTF = PurePosixPath("/sys/kernel/btf/vmlinux")
_STATE = PurePosixPath("/run/agent/background")
_TIMEOUT = 60.0
# Of 5.1; guests have it set.
_COUNTS = "/proc/sys/kernel/bpf_stats_enabled"

# In each "$1" is a folder of the command's own; nothing of a suite stands in them.
# As a shell's background process it would not take SIGINT, without the trap.
_START = """\
folder=$1; shift
mkdir -p "$folder"
{
	trap : INT
	"$@" >"$folder/out" 2>"$folder/err" </dev/null &
	echo $! >"$folder/pid"
	wait $!
	echo $? >"$folder/exit"
} >/dev/null 2>&1 &
until [ -s "$folder/pid" ]; do usleep 10000; done
cat "$folder/pid"
"""
_WAIT = """\
until grep -q -E -e "$2" "$1/out" "$1/err" || [ -s "$1/exit" ]; do usleep 20000; done
grep -q -E -e "$2" "$1/out" "$1/err"
"""
_STOP = """\
kill -s "$2" "$(cat "$1/pid")" 2>/dev/null
until [ -s "$1/exit" ]; do usleep 20000; done
cat "$1/exit"
"""

# What the agent has loaded in such a case.
NOTHING = LoadedObject(handle=0, programs=(), maps=(), log="")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is loaded in a guest, as if the agent had loaded it."""

    loaded: LoadedObject
    # Of all programs; None where the kernel does not count.
    runs: int | None


def leaves_something(case: Case) -> bool:
    """Whether a case looks at what its commands have loaded, or keeps one running."""
    return any(not isinstance(it, ValueExpectation) for it in case.expect) or any(
        isinstance(it, Command) and it.background for it in case.trigger
    )


def put(case: Case, folder: Path, agent: AgentSession) -> None:
    """Put a case's files into the guest, all of them executable."""
    for name in case.files:
        data = (folder / name).read_bytes()
        agent.put(FOLDER / name, data, mode=0o700, timeout=_TIMEOUT)


def start(
    trigger: Command, agent: AgentSession, namespace: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Start a command that stays, and wait until it says that it is ready."""
    argv = [str(resolve(word, namespace)) for word in trigger.command]
    folder = str(_STATE / trigger.save)
    started = agent.run(
        ["sh", "-c", _START, "sh", folder, *argv], timeout=trigger.timeout
    )
    ready = True
    if trigger.until is not None:
        pattern = str(resolve(trigger.until, namespace))
        waited = agent.run(
            ["sh", "-c", _WAIT, "sh", folder, pattern], timeout=trigger.timeout
        )
        ready = waited.exit == 0
    return {"pid": int(started.stdout), "ready": ready, **_said(agent, folder)}


def stop(trigger: Command, agent: AgentSession) -> dict[str, JsonValue]:
    """End such a command and return how it ended, and what it said."""
    folder = str(_STATE / trigger.save)
    ended = agent.run(
        ["sh", "-c", _STOP, "sh", folder, trigger.stop], timeout=trigger.timeout
    )
    return {
        "exit": None if ended.timed_out else int(ended.stdout),
        "signal": None,
        "timed_out": ended.timed_out,
        **_said(agent, folder),
    }


def _said(agent: AgentSession, folder: str) -> dict[str, JsonValue]:
    said = {"stdout": "out", "stderr": "err"}
    return {
        name: agent.run(["cat", f"{folder}/{file}"], timeout=_TIMEOUT).stdout
        for name, file in said.items()
    }


def look(guest: Guest) -> Found:
    """Return all programs and maps that are in the guest's kernel.

    Raises UsageError for kernels before 4.13, which do not tell.
    """
    maps = bpftool.parse_list(guest.run(bpftool.all_maps()))
    programs = bpftool.parse_list(guest.run(bpftool.all_programs()))
    if maps is None or programs is None:
        raise UsageError(
            "kernels before 4.13 do not tell what a loader has loaded",
            hint='say kernels: ">=4.15", with the reason; names came with 4.15',
        )
    runs = [it.get("run_cnt") for it in programs]
    return Found(
        loaded=LoadedObject(
            handle=0,
            log="",
            programs=tuple(
                ProgramInfo(
                    name=_text(it, "name"),
                    type=_text(it, "type"),
                    id=_number(it, "id"),
                    instructions=0,
                )
                for it in programs
            ),
            maps=tuple(
                MapInfo(
                    name=_text(it, "name"),
                    type=_text(it, "type"),
                    id=_number(it, "id"),
                    key_size=_number(it, "bytes_key"),
                    value_size=_number(it, "bytes_value"),
                    max_entries=_number(it, "max_entries"),
                )
                for it in maps
            ),
        ),
        # bpftool leaves out counts of 0, and kernels that do not count all of them.
        runs=sum(it for it in runs if isinstance(it, int))
        if guest.run(["cat", _COUNTS]).strip() == "1"
        else None,
    )


def _text(shown: Mapping[str, JsonValue], key: str) -> str:
    return str(shown.get(key, ""))


def _number(shown: Mapping[str, JsonValue], key: str) -> int:
    found = shown.get(key)
    return found if isinstance(found, int) else 0
