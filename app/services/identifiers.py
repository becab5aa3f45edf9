"""Ids of rows that come in great numbers: UUIDs of version 7 (RFC 9562), which ascend with time.

An index on them grows at its end, however many entries it has; random ones would touch, and write to the log, a page for each.
"""

import os
import time
from uuid import UUID

_FIXED = 7 << 76 | 2 << 62  # version and variant
_RANDOM = (1 << 76) - 1 - (3 << 62)  # the 74 bits that are left besides the time


def new_id() -> UUID:
    """An id that nobody can guess, and that tells when it was made to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return UUID(int=milliseconds << 80 | _FIXED | random)
