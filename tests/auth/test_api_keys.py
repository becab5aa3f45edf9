"""API keys: what is written can be read, and nothing else can."""

import hashlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import api_keys
from app.auth.actor import Unauthenticated
from app.auth.api_keys import ApiScope
from app.auth.refusals import Reason


def refused(text: str) -> bool:
    with pytest.raises(Unauthenticated) as refusal:
        api_keys.parse(text)
    return refusal.value.reason == Reason.API_KEY_MALFORMED and refusal.value.status == 401


@given(st.uuids())
def test_what_is_generated_can_be_read(tenant_id: UUID) -> None:
    key = api_keys.generate(tenant_id)
    principal = api_keys.parse(key.text)
    assert (principal.tenant_id, principal.key_id) == (tenant_id, key.key_id)
    assert key.secret_hash == principal.secret_hash
    assert key.secret_hash == hashlib.sha256(key.text[-43:].encode()).digest()
    assert key.text.startswith(key.prefix)
    assert len(key.prefix) < 20


def test_keys_of_one_tenant_differ_in_prefix_and_secret() -> None:
    tenant_id = uuid4()
    keys = [api_keys.generate(tenant_id) for _ in range(100)]
    assert len({key.prefix for key in keys}) == 100
    assert len({key.secret_hash for key in keys}) == 100


def test_the_secret_does_not_show_in_logs() -> None:
    key = api_keys.generate(uuid4())
    assert key.text not in repr(key)
    assert key.text[-43:] not in repr(key)


@given(st.text(max_size=200))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert refused(text)
    assert refused(api_keys.MARK + text)


@given(st.integers(0, 93), st.characters())
def test_a_changed_key_is_another_key_or_none(position: int, other: str) -> None:
    key = api_keys.generate(UUID(int=7))
    changed = key.text[:position] + other + key.text[position + 1 :]
    if changed == key.text:
        return
    try:
        principal = api_keys.parse(changed)
    except Unauthenticated:
        return
    same_row = (principal.tenant_id, principal.key_id) == (UUID(int=7), key.key_id)
    assert not same_row or key.secret_hash != principal.secret_hash


@given(st.sampled_from(["", " ", "\n", "=", "_", "\x00", "x"]), st.booleans())
def test_nothing_may_stand_around_a_key(extra: str, before: bool) -> None:
    key = api_keys.generate(uuid4()).text
    if extra:
        assert refused(extra + key if before else key + extra)
    else:
        api_keys.parse(key)


def test_a_key_has_one_spelling() -> None:
    key = api_keys.generate(uuid4()).text
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = len("portal_") + 42  # its two lowest bits are spare
    spellings = {key[:last] + alphabet[alphabet.index(key[last]) | spare] + key[last + 1 :] for spare in (1, 2, 3)}
    assert len(spellings) == 3
    assert all(refused(other) for other in spellings)


def test_a_shortened_key_is_refused() -> None:
    key = api_keys.generate(uuid4()).text
    assert all(refused(key[:length]) for length in range(len(key)))


def test_scopes_are_known_words() -> None:
    assert {scope.value for scope in ApiScope} == {
        "usage:write",
        "usage:read",
        "pool:read",
        "credits:adjust",
        "refunds:write",
    }
    with pytest.raises(ValueError, match="root"):
        ApiScope("root")
