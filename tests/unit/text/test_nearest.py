"""Words that a mistyped one was meant to be."""

from runner.text.nearest import did_you_mean, near, nearest


def test_the_nearest_words_come_first() -> None:
    known = ["start_time", "state", "__state", "pid"]

    assert nearest("stat", known) == ["state"]
    assert nearest("stat", known, 3)[:2] == ["state", "__state"]
    assert nearest("stat", known, cutoff=1) == []


def test_a_word_is_asked_about_only_when_one_is_near() -> None:
    assert did_you_mean("nmae", {"name": 1, "bits": 2}) == "did you mean 'name'?"
    assert did_you_mean("xyz", ["name"]) == ""
    assert did_you_mean("xyz", []) == ""


def test_what_is_known_is_told_where_no_word_is_near() -> None:
    assert near("btf", []) == ""
    assert near("bft", ["btf", "id"]) == "; did you mean 'btf'?"
    assert near("xyz", ["btf", "id"]) == "; there are btf, id"
    assert near("xyz", ["btf", "id"], "the keys are two") == "; the keys are two"
