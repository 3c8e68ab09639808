"""Work during which no garbage is searched."""

import gc

from runner.process.collection import uncollected


def test_garbage_is_searched_again_when_the_last_one_is_through() -> None:
    assert gc.isenabled()

    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()

    assert gc.isenabled()


def test_who_does_without_garbage_collection_keeps_doing_so() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
