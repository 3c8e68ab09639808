"""Loaders of the user's own: put into the guest, kept running, looked at, ended.

What they load is found by asking the kernel for all that is loaded: nobody else loads
anything in their guest.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from runner import timeouts
from runner.bpf import bpftool
from runner.errors import GuestError, UsageError, timed_out
from runner.guest import timely
from runner.guest.agent import MOST_PRINTED, AgentSession
from runner.guest.commands import Commands, failed
from runner.guest.guest import Guest
from runner.guest.replies import LoadedObject, MapInfo, ProgramInfo
from runner.results import Printed, ended
from runner.suites.model import Case, Command, ValueExpectation
from runner.suites.references import resolve
from runner.timeouts import Timeout

FOLDER = PurePosixPath("/run/agent/files")
KERNELS_BTF = PurePosixPath("/sys/kernel/btf/vmlinux")
_STATE = PurePosixPath("/run/agent/background")
# Of 5.1; guests have it set.
_COUNTS = "/proc/sys/kernel/bpf_stats_enabled"

# Bytes of each stream that a guest keeps, from its start: its files are in memory.
_MOST_OUTPUT = MOST_PRINTED

# In each "$1" is a folder of the command's own; nothing of a suite stands in them.
# As a shell's background process it would not take SIGINT, without the trap.
# Output goes through pipes, so that one that never ends does not fill the guest: what
# is too much is read and dropped. A process that outlives the command may hold a pipe
# open, so that its end is awaited for a second only.
_START = f"""\
folder=$1; shift
mkdir -p "$folder"
busybox mkfifo "$folder/out.pipe" "$folder/err.pipe"
keep() {{
	: >"$1"
	dd of="$1" bs=65536 count={_MOST_OUTPUT} iflag=count_bytes
	[ "$(head -c 1 | wc -c)" -eq 0 ] || : >"$1.cut"
	cat >/dev/null
	: >"$1.done"
}}
{{
	trap : INT
	keep "$folder/out" <"$folder/out.pipe" &
	keep "$folder/err" <"$folder/err.pipe" &
	"$@" >"$folder/out.pipe" 2>"$folder/err.pipe" </dev/null &
	echo $! >"$folder/pid"
	wait $!
	status=$?
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -e "$folder/out.done" ] && [ -e "$folder/err.done" ] && break
		usleep 100000
	done
	echo $status >"$folder/exit"
}} >/dev/null 2>&1 &
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

_ALIVE = """\
[ ! -s "$1/exit" ] || cat "$1/exit"
"""
_CUT = """\
[ ! -e "$1/out.cut" ] && [ ! -e "$1/err.cut" ]
"""

# What the agent has loaded in such a case.
NOTHING = LoadedObject(handle=0, programs=(), maps=(), log="")


@dataclass(frozen=True, kw_only=True)
class FoundObject:
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
        agent.put(
            FOLDER / Path(name).name,
            data,
            mode=0o700,
            timeout=timeouts.TRANSFER.seconds,
        )


def limit(trigger: Command) -> Timeout:
    """Return how long a command of a suite may take."""
    return Timeout(
        name="command",
        seconds=trigger.timeout,
        why="the suite says so",
        option="`timeout` of the trigger in suite.yaml, or --timeout-scale",
    )


def is_loader(trigger: Command) -> bool:
    """Whether a command of a case without an object is there to load something.

    It stays, or uses the case's files.
    """
    return trigger.background or any("${files." in word for word in trigger.command)


def start(
    trigger: Command,
    agent: AgentSession,
    namespace: Mapping[str, JsonValue],
    commands: Commands,
) -> dict[str, JsonValue]:
    """Start a command that stays, and wait until it says that it is ready.

    Raises GuestError when it does not in time, and CommandFailedError for one that ends
    before.
    """
    argv = [str(resolve(word, namespace)) for word in trigger.command]
    started = timely.run(
        agent,
        _script(_START, trigger, *_with(environment(trigger, namespace)), *argv),
        limit(trigger),
        shown=f"starting {shlex.join(argv)} in the background",
    )
    commands.running[trigger.save] = tuple(argv)
    if trigger.until is not None:
        pattern = str(resolve(trigger.until, namespace))
        waited = agent.run(_script(_WAIT, trigger, pattern), timeout=trigger.timeout)
        if waited.timed_out:
            raise _too_late(
                trigger,
                f"{shlex.join(argv)} printed no line that matches {pattern} within "
                f"{timely.lasted(waited.seconds, trigger.timeout)}",
                _output(trigger, agent),
            )
        if waited.exit != 0:
            record, _ = _stop(trigger, agent, commands)
            wanted = f"to print a line that matches {pattern}"
            raise failed(record, wanted, loads=True)
    return {"pid": int(started.stdout), **_output(trigger, agent)}


def environment(trigger: Command, namespace: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return the variables that a suite sets for a command."""
    return {name: str(resolve(it, namespace)) for name, it in trigger.env.items()}


def _with(variables: Mapping[str, str]) -> list[str]:
    """Return the words before a command that set its variables, and not a script's."""
    if not variables:
        return []
    return ["env", *(f"{name}={value}" for name, value in variables.items())]


def _script(script: str, trigger: Command, *words: str) -> list[str]:
    """Return the command that runs a script in a command's folder."""
    return ["sh", "-c", script, "sh", str(_STATE / trigger.save), *words]


def _too_late(trigger: Command, what: str, output: dict[str, str]) -> GuestError:
    # It may have come while this looks: what counts is that it was late.
    return timed_out(what, limit(trigger).option, so_far=timely.printed(**output))


def stop(
    trigger: Command, agent: AgentSession, commands: Commands
) -> dict[str, JsonValue]:
    """End such a command and return how it ended, and what it printed.

    Raises GuestError when it does not end in time, and CommandFailedError for another
    exit status than the one that is expected.
    """
    record, output = _stop(trigger, agent, commands)
    if record.exit != trigger.exit:
        raise failed(record, ended(trigger.exit), loads=True)
    return {"exit": record.exit, "signal": None, "timed_out": False, **output}


def check_alive(trigger: Command, agent: AgentSession, commands: Commands) -> None:
    """Raise CommandFailedError for a command that ended by itself, and failed."""
    asked = timely.run(agent, _script(_ALIVE, trigger), timeouts.LOOK)
    if not asked.stdout.strip() or int(asked.stdout) == trigger.exit:
        return
    record, _ = _stop(trigger, agent, commands)
    raise failed(
        record,
        "to run until everything is checked",
        observed=f"that it ended by itself: {ended(int(asked.stdout))}",
        loads=True,
    )


def _stop(
    trigger: Command, agent: AgentSession, commands: Commands
) -> tuple[Printed, dict[str, str]]:
    """End a command and keep what it printed; also return that whole.

    Raises GuestError when it does not end in time.
    """
    stopped = agent.run(_script(_STOP, trigger, trigger.stop), timeout=trigger.timeout)
    output = _output(trigger, agent)
    whole = timely.run(agent, _script(_CUT, trigger), timeouts.LOOK)
    ending = stopped.model_copy(
        update={
            "exit": None if stopped.timed_out else int(stopped.stdout),
            "signal": None,
            "truncated": whole.exit != 0,
            **output,
        }
    )
    argv = commands.running.pop(trigger.save)
    record = commands.add(trigger.save, argv, ending)
    if stopped.timed_out:
        raise _too_late(
            trigger,
            f"{shlex.join(argv)} did not end within "
            f"{timely.lasted(stopped.seconds, trigger.timeout)} of "
            f"SIG{trigger.stop}",
            output,
        )
    return record, output


def _output(trigger: Command, agent: AgentSession) -> dict[str, str]:
    folder, files = _STATE / trigger.save, {"stdout": "out", "stderr": "err"}
    return {
        name: timely.run(agent, ["cat", f"{folder}/{file}"], timeouts.LOOK).stdout
        for name, file in files.items()
    }


def look(guest: Guest) -> FoundObject:
    """Return all programs and maps that are in the guest's kernel.

    Raises UsageError for kernels before 4.13, which do not tell.
    """
    maps = bpftool.parse_list(guest.run(bpftool.show("map")))
    programs = bpftool.parse_list(guest.run(bpftool.show("program")))
    if maps is None or programs is None:
        raise UsageError(
            "kernels before 4.13 can't list loaded programs and maps",
            hint='set kernels: ">=4.15" and a reason; names were added in 4.15',
        )
    runs = [it.get("run_cnt") for it in programs]
    return FoundObject(
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
    return found if isinstance(found, int) and found > 0 else 0
