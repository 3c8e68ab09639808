"""A user's own arguments for a test program, beside those that the runner adds."""

from collections.abc import Collection, Iterator, Sequence


def without(
    arguments: Sequence[str],
    flags: Collection[str] = (),
    *,
    valued: Collection[str] = (),
) -> list[str]:
    """Return the arguments without some options, however they are written.

    The runner sets how results are printed, so that it can read them. A user's option
    would come later on the command line and win: `go test -v` passes `-test.v=true`,
    and `cargo test -q` passes `--quiet`.

    Args:
        arguments: what the user gave.
        flags: options without a value of their own; `FLAG=VALUE` is dropped as well.
        valued: options whose value may be the next word.
    """
    return list(_without(iter(arguments), {*flags}, {*valued}))


def _without(
    arguments: Iterator[str], flags: set[str], valued: set[str]
) -> Iterator[str]:
    for it in arguments:
        name, equals, _ = it.partition("=")
        if name in valued and not equals:
            next(arguments, None)
        elif name not in flags | valued:
            yield it
