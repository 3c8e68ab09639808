"""Faults of what a run is given: damaged suites and objects, a lying agent."""

import random
from pathlib import Path

from tests.faults.fault import Chance, before
from tests.faults.world import World
from tests.vm.conftest import ROOT


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Return data with a few bytes changed, doubled, or cut out."""
    made = bytearray(data)
    for _ in range(chance.choice([1, 2, 8, 64])):
        where = chance.randrange(len(made))
        way = chance.randrange(4)
        if way == 0:
            made[where] = chance.randrange(256)
        elif way == 1:
            made[where] ^= 1 << chance.randrange(8)
        elif way == 2:
            end = where + chance.randrange(64)
            made[where:where] = made[where:end]
        else:
            del made[where : where + chance.randrange(16)]
        if not made:
            return b""
    return bytes(made)


def _mangle(path: Path, chance: Chance) -> str:
    path.write_bytes(mangled(path.read_bytes(), chance.random))
    return path.name


def _suite(world: World, chance: Chance) -> str:
    return _mangle(world.suite / "suite.yaml", chance)


def _source(world: World, chance: Chance) -> str:
    return _mangle(world.suite / "fine.bpf.c", chance)


def _object(world: World, chance: Chance) -> str:
    """Let one case load a damaged object."""
    objects = [it for it in world.cached() if it.name.endswith(".bpf.o")]
    layer = next(it for it in world.caches if (it / objects[0]).exists())
    data = (layer / chance.random.choice(objects)).read_bytes()
    (world.suite / "bad.bpf.o").write_bytes(mangled(data, chance.random))
    path = world.suite / "suite.yaml"
    text = path.read_text()
    path.write_text(
        text + "  - {name: hostile, object: bad.bpf.o,\n"
        "     expect: [{program: length, show: {type: socket_filter}}]}\n"
    )
    return "a damaged object"


# What becomes of a lying agent's answers; `text` is one, of `size` bytes.
_LIES = (
    "text[0] = 'x';",
    "text[size / 2] = 0;",
    "text[size - 1] = '\\n';",
    "memset(text, '[', size);",
    "for (char *it = text; *it; it++) if (*it == ':') *it = ',';",
    "for (char *it = text; *it; it++) if (*it >= '0' && *it <= '9') *it = '-';",
    "for (char *it = text; *it; it++) if (*it == '\"') *it = 'e';",
    'fprintf(replies, "%s\\n", text);',
)
_TRUE = "json_dumpf(reply, replies, JSON_COMPACT) == 0 &&"
_LYING = """\
	static int count;
	char *text = json_dumps(reply, JSON_COMPACT);
	size_t size = strlen(text);
	if (++count % {every} == 0) {{ {lie} }}
	bool sent = fputs(text, replies) >= 0 &&
"""


def _agent(world: World, chance: Chance) -> str:
    """Have guests built with an agent that answers nonsense, now and then."""
    source = ROOT / "images/agent/protocol.c"
    number, every = chance.random.randrange(len(_LIES)), chance.random.randrange(2, 9)
    text = source.read_text()
    (line,) = [it for it in text.splitlines(keepends=True) if _TRUE in it]
    lying = _LYING.format(every=every, lie=_LIES[number])
    world.put(source, text.replace(line, lying))
    return f"lie {number + 1}, each {every}th time"


FAULTS = (
    before("a damaged suite.yaml", _suite, rewrites=True, refused=True),
    before("a damaged source", _source, rewrites=True, refused=True),
    before("a damaged object", _object, loses=False, refused=True),
    before("a lying agent", _agent),
)
