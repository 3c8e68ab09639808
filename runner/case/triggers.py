"""What makes an attached program run, and what each trigger says about it."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from pydantic import JsonValue

from runner import timeouts
from runner.arch.model import ByteOrder
from runner.bpf import object as bpf_object
from runner.bpf import records, skb
from runner.bpf.values import Formatter
from runner.case import loaders
from runner.errors import GuestError
from runner.guest import timely
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError
from runner.guest.commands import CommandFailedError, Commands, failed, subject
from runner.guest.replies import AgentReply
from runner.results import ended
from runner.suites.checks.equality import equal
from runner.suites.model import (
    Act,
    Case,
    Command,
    Drain,
    Fork,
    Iterate,
    Pipe,
    Sleep,
    Syscall,
    Tcp,
    TestRun,
    Trigger,
    Udp,
)
from runner.suites.references import resolve

# What a suite may refer to of a command that ended.
_GIVEN = {"pid", "exit", "signal", "timed_out", "stdout", "stderr"}


def listen(case: Case, agent: AgentSession, handle: int) -> None:
    """Open the streams that a case drains, before anything is sent through them."""
    for trigger in case.trigger:
        if isinstance(trigger, Drain):
            agent.listen(handle, trigger.drain, timeout=timeouts.ANSWER.seconds)


def pull(
    trigger: Trigger,
    agent: AgentSession,
    handle: int,
    namespace: Mapping[str, JsonValue],
    data: bytes = b"",
    commands: Commands | None = None,
) -> dict[str, JsonValue]:
    """Pull a trigger in the guest and return what it gives, by name.

    `data` is the object; `commands` keeps what commands print. Raises AgentError when
    the guest can't do it, AgentLost when it does not answer, GuestError when a command
    does not end in time, and CommandFailedError for one that does not end as it must.
    """
    given: AgentReply
    match trigger:
        case Fork():
            given = agent.fork(
                trigger.fork, spin=trigger.spin, timeout=_beyond(trigger.spin)
            )
        case Syscall():
            given = agent.syscall(
                trigger.syscall, trigger.times, timeout=timeouts.TRIGGER.seconds
            )
        case Sleep():
            given = agent.sleep(trigger.sleep, timeout=_beyond(trigger.sleep))
        case Udp():
            given = agent.udp(
                trigger.udp,
                port=trigger.port,
                times=trigger.times,
                ip=trigger.ip,
                received=trigger.received,
                options=trigger.options,
                timeout=timeouts.TRIGGER.seconds,
            )
        case Tcp():
            given = agent.tcp(
                trigger.tcp,
                port=trigger.port,
                times=trigger.times,
                ip=trigger.ip,
                accepted=trigger.accepted,
                timeout=timeouts.TRIGGER.seconds,
            )
        case Pipe():
            given = agent.pipe(
                trigger.pipe, writes=trigger.writes, timeout=timeouts.TRIGGER.seconds
            )
        case Act():
            given = agent.act(
                trigger.act, comm=trigger.comm, timeout=timeouts.TRIGGER.seconds
            )
        case Drain():
            return _drain(trigger, agent, handle, namespace, data)
        case Iterate():
            text = agent.iterate(
                handle, trigger.iterate, timeout=timeouts.TRIGGER.seconds
            )
            return {"text": text}
        case Command(background=True):
            return loaders.start(trigger, agent, namespace, commands or Commands())
        case Command():
            return _run_command(trigger, agent, namespace, commands or Commands())
        case TestRun():
            return _test_run(trigger, agent, handle, data)
    return given.model_dump()


def _beyond(seconds: float) -> float:
    """Return how long an answer may take that comes after `seconds`."""
    return seconds + timeouts.ANSWER.seconds


def _run_command(
    trigger: Command,
    agent: AgentSession,
    namespace: Mapping[str, JsonValue],
    commands: Commands,
) -> dict[str, JsonValue]:
    argv = [str(resolve(word, namespace)) for word in trigger.command]
    loads = loaders.is_loader(trigger)
    try:
        output = agent.run(
            argv,
            environment=loaders.environment(trigger, namespace),
            timeout=trigger.timeout,
        )
    except AgentError as error:
        raise CommandFailedError(
            f"{subject(trigger.save, argv)}: {error.message}", loads=loads
        ) from error
    record = commands.add(trigger.save, argv, output)
    timely.require_ended(output, shlex.join(argv), loaders.limit(trigger))
    if output.exit != trigger.exit:
        raise failed(record, ended(trigger.exit), loads=loads)
    return output.model_dump(include=_GIVEN)


def _drain(
    trigger: Drain,
    agent: AgentSession,
    handle: int,
    namespace: Mapping[str, JsonValue],
    data: bytes,
) -> dict[str, JsonValue]:
    drained = agent.drain(handle, trigger.drain, timeout=timeouts.TRIGGER.seconds)
    reader = _reader(trigger, data)
    wanted = {name: resolve(value, namespace) for name, value in trigger.where.items()}
    found = [
        (record, len(data))
        for data in drained.records
        if isinstance(record := reader(data), dict)
        and all(equal(value, record.get(name)) for name, value in wanted.items())
    ]
    # None when there is none: no expectation holds for it.
    record, size = found[0] if found else (None, None)
    return {
        "count": len(found),
        "lost": drained.lost,
        "size": size,
        "record": record,
        "records": [record for record, _ in found],
    }


def _reader(trigger: Drain, data: bytes) -> Callable[[bytes], JsonValue]:
    if trigger.struct is None:
        places = {name: records.parse(it) for name, it in trigger.fields.items()}
        order = _byte_order(data)
        return lambda record: records.read(places, record, order)
    btf = bpf_object.read(data).btf
    type_ = btf.find(f"struct {trigger.struct}")
    # Tools send less than the struct where an array at its end is not full.
    return lambda record: Formatter(btf).partial(
        type_.id, record.ljust(type_.size, b"\0")
    )


def _byte_order(data: bytes) -> ByteOrder:
    """Return the byte order of an object, which is its kernel's; "little" without."""
    return bpf_object.read(data).byteorder if data else "little"


def _test_run(
    trigger: TestRun, agent: AgentSession, handle: int, data: bytes
) -> dict[str, JsonValue]:
    output = agent.test_run(
        handle,
        trigger.test_run,
        data=bytes.fromhex(trigger.data),
        context=skb.pack(trigger.skb, _byte_order(data)) if trigger.skb else None,
        repeat=trigger.repeat,
        timeout=timeouts.TRIGGER.seconds,
    )
    given: dict[str, JsonValue] = {
        "retval": output.retval,
        "duration_ns": output.duration_ns,
        "data": output.data.hex(),
    }
    if output.context:
        given["skb"] = {**skb.unpack(output.context, _byte_order(data))}
    return given


def end(
    case: Case,
    agent: AgentSession,
    namespace: Mapping[str, JsonValue],
    commands: Commands | None = None,
) -> dict[str, JsonValue]:
    """End the commands that stayed, and return the names with how they ended.

    Raises GuestError for one that does not end in time, and CommandFailedError for one
    that does not end as it must.
    """
    known = dict(namespace)
    for trigger in _background(case):
        given = namespace[trigger.save]
        assert isinstance(given, dict)
        stopped = loaders.stop(trigger, agent, commands or Commands())
        known[trigger.save] = {**given, **stopped}
    return known


def check_alive(case: Case, agent: AgentSession, commands: Commands) -> None:
    """Raise CommandFailedError for a command that should have stayed and failed."""
    for trigger in _background(case):
        if trigger.save in commands.running:
            loaders.check_alive(trigger, agent, commands)


def gather(case: Case, agent: AgentSession, commands: Commands) -> None:
    """End the commands that still run, and keep what they printed."""
    for trigger in _background(case):
        if trigger.save in commands.running:
            # Its end is no news: something failed before.
            with suppress(CommandFailedError, GuestError):
                loaders.stop(trigger, agent, commands)


def _background(case: Case) -> Iterator[Command]:
    for trigger in case.trigger:
        if isinstance(trigger, Command) and trigger.background:
            yield trigger
