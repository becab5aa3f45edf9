"""Properties are tried on random values; a failure prints the blob (and the seed) that repeats it."""

from hypothesis import settings

settings.register_profile("portal", print_blob=True, deadline=None)
settings.load_profile("portal")
