"""Holds the sandbox's objects against the classes that Stripe publishes for them, down to nested fields and words."""

import types
import typing
from typing import Any, Literal

import typing_extensions


def faults(value: Any, wanted: Any, name: str) -> list[str]:
    """What is wrong with a decoded JSON value for one of the library's types; expandable fields are left alone."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in {typing.Union, types.UnionType}:
        found = _against_union(value, arguments, name)
    elif origin in {Literal, typing_extensions.Literal}:
        found = [] if value in arguments else [f"{name}: {value!r} is none of {arguments}"]
    elif origin is list:
        found = (
            [fault for item in value for fault in faults(item, arguments[0], name)]
            if isinstance(value, list)
            else [f"{name}: a list is wanted"]
        )
    elif wanted in {int, str, bool, float}:
        found = [] if type(value) is wanted else [f"{name}: {value!r} is no {wanted.__name__}"]
    elif isinstance(wanted, type) and isinstance(value, dict):
        found = _against_class(value, wanted, name)
    else:
        found = []
    return found


def _against_union(value: Any, choices: tuple[Any, ...], name: str) -> list[str]:
    if value is None:
        return [] if type(None) in choices else [f"{name}: must not be null"]
    literal = any(typing.get_origin(choice) in {Literal, typing_extensions.Literal} for choice in choices)
    # Stripe leaves its enumerations open for later words (Literal | str): the sandbox must use today's.
    rest = [choice for choice in choices if choice is not type(None) and not (literal and choice is str)]
    found = [faults(value, choice, name) for choice in rest]
    return [] if any(not wrong for wrong in found) else min(found, key=len)


def _against_class(value: dict[str, Any], wanted: type, name: str) -> list[str]:
    fields = {key: field for key, field in getattr(wanted, "__annotations__", {}).items() if key.islower()}
    if not fields:
        return []
    found = [f"{name}.{key}: Stripe publishes no such field" for key in value if key not in fields]
    for key, field in fields.items():
        if key in value:
            found += faults(value[key], field, f"{name}.{key}")
        elif type(None) not in typing.get_args(field):
            found.append(f"{name}.{key}: missing")
    return found
