"""What makes an attached program run, and what each trigger tells of it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from pydantic import JsonValue

from runner.agent import AgentSession
from runner.bpf import object as bpf_object
from runner.bpf import records, skb
from runner.checks.equality import equal
from runner.checks.text import show
from runner.references import resolve
from runner.results import Mismatch
from runner.session import loaders
from runner.session.rawdump import Formatter
from runner.suite import (
    Case,
    Command,
    Drain,
    Fork,
    Iterate,
    Pipe,
    Sleep,
    Syscall,
    TestRun,
    Trigger,
    Udp,
)

_TIMEOUT = 20.0
# A million system calls under TCG.
_LONG_TIMEOUT = 120.0


def listen(case: Case, agent: AgentSession, handle: int) -> None:
    """Open the streams that a case drains, before anything is sent through them."""
    for trigger in case.trigger:
        if isinstance(trigger, Drain):
            agent.listen(handle, trigger.drain, timeout=_TIMEOUT)


def pull(
    trigger: Trigger,
    agent: AgentSession,
    handle: int,
    namespace: Mapping[str, JsonValue],
    data: bytes = b"",
) -> dict[str, JsonValue]:
    """Pull a trigger in the guest and return what it gives, by name.

    `data` is the object. Raises AgentError when the guest can't do it, AgentLost when
    it does not answer.
    """
    match trigger:
        case Fork():
            child = agent.fork(trigger.fork, spin=trigger.spin, timeout=_TIMEOUT)
            return {
                "pid": child.pid,
                "tgid": child.tgid,
                "ppid": child.ppid,
                "comm": child.comm,
                "user_ns": child.user_ns,
                "thread_pointer": child.thread_pointer,
            }
        case Syscall():
            made = agent.syscall(trigger.syscall, trigger.times, timeout=_LONG_TIMEOUT)
            return {
                "pid": made.pid,
                "tid": made.tid,
                "count": made.count,
                "result": made.result,
            }
        case Sleep():
            slept = agent.sleep(trigger.sleep, timeout=trigger.sleep + _TIMEOUT)
            return {"pid": slept.pid, "slept_ns": slept.slept_ns}
        case Udp():
            packets = agent.udp(
                trigger.udp,
                port=trigger.port,
                times=trigger.times,
                options=trigger.options,
                timeout=_LONG_TIMEOUT,
            )
            return asdict(packets)
        case Pipe():
            filled = agent.pipe(
                trigger.pipe, writes=trigger.writes, timeout=_LONG_TIMEOUT
            )
            return asdict(filled)
        case Drain():
            return _drain(trigger, agent, handle, namespace, data)
        case Iterate():
            text = agent.iterate(handle, trigger.iterate, timeout=_LONG_TIMEOUT)
            return {"text": text}
        case Command(background=True):
            return loaders.start(trigger, agent, namespace)
        case Command():
            return _run_command(trigger, agent, namespace)
        case TestRun():
            return _test_run(trigger, agent, handle)


def _run_command(
    trigger: Command, agent: AgentSession, namespace: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    argv = [str(resolve(word, namespace)) for word in trigger.command]
    output = agent.run(argv, timeout=trigger.timeout)
    return {
        "pid": output.pid,
        "exit": output.exit,
        "signal": output.signal,
        "timed_out": output.timed_out,
        "stdout": output.stdout,
        "stderr": output.stderr,
    }


def _drain(
    trigger: Drain,
    agent: AgentSession,
    handle: int,
    namespace: Mapping[str, JsonValue],
    data: bytes,
) -> dict[str, JsonValue]:
    drained = agent.drain(handle, trigger.drain, timeout=_LONG_TIMEOUT)
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
    }


def _reader(trigger: Drain, data: bytes) -> Callable[[bytes], JsonValue]:
    if trigger.struct is None:
        places = {name: records.parse(it) for name, it in trigger.fields.items()}
        return lambda record: records.read(places, record)
    btf = bpf_object.read(data).btf
    type_ = btf.find(f"struct {trigger.struct}")
    # Tools send less than the struct where an array at its end is not full.
    return lambda record: Formatter(btf).partial(
        type_.id, record.ljust(type_.size, b"\0")
    )


def _test_run(
    trigger: TestRun, agent: AgentSession, handle: int
) -> dict[str, JsonValue]:
    output = agent.test_run(
        handle,
        trigger.test_run,
        data=bytes.fromhex(trigger.data),
        context=skb.pack(trigger.skb) if trigger.skb else None,
        repeat=trigger.repeat,
        timeout=_LONG_TIMEOUT,
    )
    given: dict[str, JsonValue] = {
        "retval": output.retval,
        "duration_ns": output.duration_ns,
        "data": output.data.hex(),
    }
    if output.context:
        given["skb"] = {**skb.unpack(output.context)}
    return given


def end(
    case: Case, agent: AgentSession, namespace: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """End the commands that stayed, and return the names with how they ended."""
    ended = dict(namespace)
    for trigger in case.trigger:
        if isinstance(trigger, Command) and trigger.background:
            given = namespace[trigger.save]
            assert isinstance(given, dict)
            ended[trigger.save] = {**given, **loaders.stop(trigger, agent)}
    return ended


def failures(case: Case, namespace: Mapping[str, JsonValue]) -> list[Mismatch]:
    """Return the commands of a case that did not end as it expects."""
    found = []
    for trigger in case.trigger:
        if not isinstance(trigger, Command):
            continue
        given = namespace[trigger.save]
        assert isinstance(given, dict)
        if given.get("ready") is False:
            found.append(
                Mismatch(
                    subject=f"command {' '.join(trigger.command)}",
                    expected=f"to print a line that matches {trigger.until}",
                    observed=show(f"{given['stdout']}{given['stderr']}"),
                )
            )
        observed = _ending(given, trigger.timeout)
        if observed != f"exit status {trigger.exit}":
            found.append(
                Mismatch(
                    subject=f"command {' '.join(trigger.command)}",
                    expected=f"exit status {trigger.exit}",
                    observed=observed,
                )
            )
    return found


def _ending(given: Mapping[str, JsonValue], timeout: float) -> str:
    if given["timed_out"]:
        return f"still running after {timeout:g} s, and killed"
    if given["signal"]:
        return f"killed by {given['signal']}"
    return f"exit status {given['exit']}"
