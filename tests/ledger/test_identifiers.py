"""Ids that ascend with time, as RFC 9562 has them."""

import time
from uuid import RFC_4122, UUID

import pytest

from app.services import identifiers
from app.services.identifiers import new_id


def test_it_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_they_ascend_with_time_and_none_comes_twice() -> None:
    first = new_id()
    many = {new_id() for _ in range(10_000)}
    time.sleep(0.002)
    assert len(many) == 10_000
    assert first < new_id()


def test_every_other_bit_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifiers.time, "time_ns", lambda: 0)
    monkeypatch.setattr(identifiers.os, "urandom", lambda size: b"\xff" * size)
    assert new_id() == UUID("00000000-0000-7fff-bfff-ffffffffffff")
    monkeypatch.setattr(identifiers.os, "urandom", bytes)
    assert new_id() == UUID("00000000-0000-7000-8000-000000000000")
