"""What holds for all tests."""

from hypothesis import settings

# On a machine that does other things too, the time of one example says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
