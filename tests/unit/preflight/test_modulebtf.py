"""BTF of modules that does not fit, and what is in modules that are not loaded."""

from collections.abc import Iterator

import pytest

from runner.kernels.moduleowners import ModuleOwners
from runner.preflight import elsewhere
from runner.preflight.engine import Engine
from runner.preflight.model import Prediction, Verdict
from runner.preflight.predict import PredictedObject, Target, predict
from tests.unit.preflight.made import an_object, build, kernel
from tests.unit.preflight.raw import TYPEDEF, Raw, a_kernel

NEEDS_A_MODULE = """\
struct extra { int value; } CORE;
SEC("kprobe/a") int on_a(struct extra *extra)
{
	int value = 0;
	bpf_core_read(&value, sizeof(value), &extra->value);
	return value;
}
"""
NEEDS_NONE = NEEDS_A_MODULE.replace("extra", "task").replace("value", "pid")
GUARDED = """\
struct extra { int value; } CORE;
SEC("kprobe/a") int on_a(struct extra *extra)
{
	return bpf_core_type_exists(struct extra);
}
"""
KERNEL = a_kernel()


def module(name: str = "extra") -> Raw:
    raw = Raw(base=KERNEL.counts)
    raw.struct(name, 4, ("value", 2, 0))
    return raw


def of_another_kernel() -> Raw:
    raw = module("other")
    raw.add(TYPEDEF, "far", 99)
    return raw


# Its header claims more than there is.
TRUNCATED = module("other").data[:20] + b"\xff\xff\xff" + module("other").data[23:]
MISMATCHED = of_another_kernel().data


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(build("asan")) as engine:
        yield engine


def checked(engine: Engine, source: str, **modules: bytes) -> Prediction:
    subject = PredictedObject(an_object(source), engine)
    engine.load_target(KERNEL.data, list(modules.values()))
    names = tuple(modules)
    target = Target(btf=KERNEL.data, sha256="", module_names=names)
    return predict(subject, target, engine)


@pytest.mark.parametrize("broken", [TRUNCATED, MISMATCHED, b"", b"no BTF"])
def test_an_object_that_needs_no_module_does_not_care(
    engine: Engine, broken: bytes
) -> None:
    found = checked(engine, NEEDS_NONE, sha1_ssse3=broken)

    assert found.verdict is Verdict.LOADS, found.reasons


@pytest.mark.parametrize("source", [NEEDS_A_MODULE, GUARDED])
def test_libbpf_gives_up_on_an_object_that_looks_through_modules(
    engine: Engine, source: str
) -> None:
    found = checked(engine, source, fine=module().data, broken=TRUNCATED)

    assert found.verdict is Verdict.REJECTED
    assert found.reasons[0] == (
        "libbpf looks through modules for extra, and can't read the BTF of broken, "
        "which is truncated or malformed"
    )


def test_what_the_kernel_refuses_costs_its_own_types_only(engine: Engine) -> None:
    found = checked(engine, NEEDS_A_MODULE, broken=MISMATCHED, fine=module().data)

    assert found.verdict is Verdict.LOADS, found.reasons
    assert [it.problem for it in engine.target.broken] == [
        "a referenced type does not exist"
    ]


def test_ids_of_modules_behind_a_broken_one_are_right(engine: Engine) -> None:
    second = module("second").data
    engine.load_target(KERNEL.data, [module().data, MISMATCHED, second])
    ((one,),) = engine.find(["second"])

    (found,) = engine.types([one[0]])
    assert found is not None
    assert found.name == "second"


def test_functions_of_the_kernels_own_are_told_from_those_of_modules(
    engine: Engine,
) -> None:
    engine.load_target(kernel("int there(int a) { return a; }"))

    assert engine.functions(["there", "not"], own=True) == [True, False]


OWNERS = ModuleOwners(
    functions={"tcp_vegas_init": ("tcp_vegas",)}, types={"extra": ("m", "n")}
)


def test_a_prediction_says_which_module_has_what_is_missing(engine: Engine) -> None:
    found = checked(engine, NEEDS_A_MODULE)
    names = elsewhere.lacking(found)
    advised = elsewhere.with_modules(found, elsewhere.found_in(names, OWNERS))

    assert names == ["extra"]
    assert advised.reasons[-1] == (
        "extra is in the modules m, n: load it: `guest: {modules: [m]}`, or "
        "`check --modules m`"
    )
    # So that kernels with and without such a module are shown apart.
    assert advised.shape != found.shape


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("tcp_vegas_inti", ["tcp_vegas_init"]),
        ("ctp_vegas_init", ["tcp_vegas_init"]),
        # As it is, a type, and names that are like no other.
        ("tcp_vegas_init", []),
        ("extra", []),
        ("tcp_vegas_something_else", []),
        ("vegas", []),
    ],
)
def test_functions_of_modules_that_are_called_alike_are_named(
    name: str, similar: list[str]
) -> None:
    found = elsewhere.similar_in([name], OWNERS)

    assert [it.similar for it in found] == similar
    for it in found:
        assert str(it) == (
            f"no module has {name}; the module tcp_vegas has tcp_vegas_init"
        )
        assert it.cure == (
            "if tcp_vegas_init is meant, write that, and load it: `guest: {modules: "
            "[tcp_vegas]}`, or `check --modules tcp_vegas`"
        )


def test_what_is_guarded_is_not_looked_for(engine: Engine) -> None:
    assert elsewhere.lacking(checked(engine, GUARDED)) == []


def test_a_target_of_which_btf_tells_nothing_is_asked_for_where_it_is_refused(
    engine: Engine,
) -> None:
    source = NEEDS_NONE.replace("kprobe/a", "kprobe/tcp_vegas_init+0")
    found = checked(engine, source)

    assert elsewhere.lacking(found) == []
    assert elsewhere.lacking(found, certainly=False) == ["tcp_vegas_init"]
