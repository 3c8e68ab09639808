"""What a case, or a setting of it, needs of a kernel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from runner.facts.model import UNKNOWN, Judgement, Presence, judged
from runner.files.modelfile import FileEntry
from runner.suites.known import PROBED, KnownKernel

_NAME = r"^[A-Za-z_]\w*$"
_MEMBER = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"
# What sentences call what a key names.
_WORDS = {
    "ability": "the ability {}",
    "helper": "the helper {}",
    "kfunc": "the kernel function {}",
    "map_type": "maps of type {}",
    "prog_type": "programs of type {}",
    "attach": "the attach type {}",
    "link": "links of type {}",
    "type": "the type {}",
    "field": "the field {}",
    "func": "the function {}",
    "config": "{}",
    "kernels": "a version in {}",
    "arch": "the architecture {}",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a condition holds, and what decides it."""

    judgement: Judgement
    # In words: "maps of type ringbuf".
    what: str

    @property
    def presence(self) -> Presence:
        """Whether it holds: present is yes."""
        return self.judgement.presence

    def __str__(self) -> str:
        learnt = self.judgement.learnt
        return f"{self.what} ({learnt.value})" if learnt else self.what


class Condition(FileEntry):
    """What a kernel must have. Of several keys all must hold."""

    helper: Annotated[str, Field(pattern=_NAME)] | None = None
    """A helper: bpf_ringbuf_output."""
    map_type: Annotated[str, Field(pattern=_NAME)] | None = None
    """A type of maps, as bpftool shows it: ringbuf."""
    prog_type: Annotated[str, Field(pattern=_NAME)] | None = None
    """A type of programs, as bpftool shows it: raw_tracepoint."""
    attach: Annotated[str, Field(pattern=_NAME)] | None = None
    """An attach type, in lower case and without BPF_: trace_fentry."""
    link: Annotated[str, Field(pattern=_NAME)] | None = None
    """A kind of links, in lower case: kprobe_multi."""
    kfunc: Annotated[str, Field(pattern=_NAME)] | None = None
    """A kernel function that programs call: bpf_task_acquire."""
    func: Annotated[str, Field(pattern=_NAME)] | None = None
    """A function of the kernel, as its BTF has it: vfs_read."""
    type: (
        Annotated[str, Field(pattern=r"^((struct|union|enum) )?[A-Za-z_]\w*$")] | None
    ) = None
    """A type, as the kernel's BTF has it: struct bpf_iter_num."""
    field: Annotated[str, Field(pattern=_MEMBER)] | None = None
    """A member of a type, also behind pointers: task_struct.__state."""
    config: Annotated[str, Field(pattern=r"^CONFIG_\w+(=.+)?$")] | None = None
    """An option of the kernel's configuration that is set, or set to a value:
    CONFIG_BPF_LSM, CONFIG_HZ=250."""
    ability: Annotated[str, Field(pattern=_NAME)] | None = None
    """What a kernel can do that its BTF does not show: bounded_loops. docs/facts.md
    lists them."""
    kernels: Annotated[str, Field(min_length=1)] | None = None
    """A version range: ">=5.8", or a vendor's: "rhel>=9.4"."""
    arch: Annotated[str, Field(pattern=_NAME)] | None = None
    """An architecture, as a row's `arch`: arm64."""
    any: Annotated[tuple["Condition", ...], Field(min_length=1)] = ()
    """Conditions; at least one of them must hold."""
    all: Annotated[tuple["Condition", ...], Field(min_length=1)] = ()
    """Conditions that must all hold."""
    not_: Annotated["Condition | None", Field(alias="not")] = None
    """A condition that must not hold."""

    def on(self, kernel: KnownKernel) -> Decision:
        """Return whether it holds on a kernel, and what decides that."""
        return _both([*self._own(kernel), *self._nested(kernel)])

    @property
    def named(self) -> Iterator[tuple[str, str]]:
        """The keys that name something, with what they name; not of those inside."""
        for key in _WORDS:
            name = getattr(self, key)
            if name is not None:
                yield key, name

    @property
    def options(self) -> Iterator[str]:
        """The options of configurations that it names, without their values."""
        if self.config is not None:
            yield self.config.partition("=")[0]
        for _, it in self.inner:
            yield from it.options

    @property
    def inner(self) -> Iterator[tuple[tuple[str | int, ...], "Condition"]]:
        """The conditions inside of it, with where they stand."""
        for key in ("any", "all"):
            for number, each in enumerate(getattr(self, key)):
                yield (key, number), each
        if self.not_ is not None:
            yield ("not",), self.not_

    @property
    def is_probed(self) -> bool:
        """Whether a kernel that is booted may answer otherwise than its files."""
        own = any(key in PROBED for key, _ in self.named)
        return own or any(it.is_probed for _, it in self.inner)

    @property
    def words(self) -> str:
        """Return what it asks for, in words."""
        return _both([*self._own(KnownKernel()), *self._nested(KnownKernel())]).what

    def _own(self, kernel: KnownKernel) -> Iterator[Decision]:
        for key, name in self.named:
            yield Decision(
                judgement=kernel.judge(key, name), what=_WORDS[key].format(name)
            )

    def _nested(self, kernel: KnownKernel) -> Iterator[Decision]:
        yield from (it.on(kernel) for it in self.all)
        if self.any:
            yield _either([it.on(kernel) for it in self.any])
        if self.not_ is not None:
            yield _opposite(self.not_.on(kernel))


def _both(all_: Sequence[Decision]) -> Decision:
    """Return whether all hold: of those that don't, the first decides."""
    for presence in (Presence.ABSENT, Presence.UNKNOWN):
        missing = [it for it in all_ if it.presence is presence]
        if missing:
            what = " and ".join(it.what for it in missing)
            return Decision(judgement=missing[0].judgement, what=what)
    what = " and ".join(it.what for it in all_)
    return Decision(judgement=all_[0].judgement if all_ else UNKNOWN, what=what)


def _either(any_: Sequence[Decision]) -> Decision:
    """Return whether one holds."""
    what = " or ".join(it.what for it in any_)
    for presence in (Presence.PRESENT, Presence.UNKNOWN, Presence.ABSENT):
        found = [it for it in any_ if it.presence is presence]
        if found:
            return Decision(judgement=found[0].judgement, what=what)
    return Decision(judgement=UNKNOWN, what=what)


def _opposite(held: Decision) -> Decision:
    judgement = held.judgement
    if judgement.is_known:
        is_there = judgement.presence is Presence.PRESENT
        judgement = judged(not is_there, judgement.learnt)
    return Decision(judgement=judgement, what=f"a kernel without {held.what}")


_Value = TypeVar("_Value")


class Choice(FileEntry, Generic[_Value]):
    """What a setting is on kernels that have something."""

    needs: Condition
    """What a kernel must have."""
    use: _Value
    """The setting there."""


def chosen(choices: Sequence[Choice[_Value]], kernel: KnownKernel) -> _Value | None:
    """Return the value of the first choice whose condition holds, or None."""
    for it in choices:
        if it.needs.on(kernel).presence is Presence.PRESENT:
            return it.use
    return None
