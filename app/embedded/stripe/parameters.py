"""Form bodies as Stripe reads them: brackets nest, every value is a string, and nothing unknown is let through."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.embedded.stripe.refusals import Record, Refusal

Kind = Callable[[str, Any], Any]  # (parameter's full name, raw value) -> value

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


def decode(items: Iterable[tuple[str, str]]) -> Record:
    """`card[number]=4242` -> {"card": {"number": "4242"}}; lists become mappings of their indexes."""
    tree: Record = {}
    for name, value in items:
        match = _NAME.fullmatch(name)
        if match is None:
            raise Refusal(f"Invalid parameter name: {name}", param=name)
        *parents, last = [match[1], *_BRACKET.findall(match[2])]
        node = tree
        for parent in parents:
            below = node.setdefault(parent or str(len(node)), {})
            if not isinstance(below, dict):
                raise Refusal(f"Invalid object: {name}", param=name)
            node = below
        node[last or str(len(node))] = value
    return tree


@dataclass(frozen=True)
class Parameters:
    """The parameters of one request or of one nested object. Called as a Kind, it reads the nested object."""

    required: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def __call__(self, name: str, raw: Any) -> Record:
        """Read the nested object that stands under `name`."""
        if not isinstance(raw, dict):
            raise Refusal("Invalid object", param=name)
        return self.read(raw, within=name)

    def read(self, raw: Mapping[str, Any], within: str = "") -> Record:
        """Turn strings into values, in Stripe's order: unknown names first, then missing ones, then each value."""
        kinds = {**self.required, **self.optional}
        full = {name: f"{within}[{name}]" if within else name for name in (*raw, *kinds)}
        unknown = [full[name] for name in raw if name not in kinds]
        if unknown:
            words = "parameter" if len(unknown) == 1 else "parameters"
            raise Refusal(f"Received unknown {words}: {', '.join(unknown)}", code="parameter_unknown", param=unknown[0])
        for name in self.required:
            if name not in raw:
                raise Refusal(f"Missing required param: {full[name]}.", code="parameter_missing", param=full[name])
        return {name: kinds[name](full[name], value) for name, value in raw.items()}


def text(name: str, raw: Any) -> str:
    """A string with something in it."""
    if not isinstance(raw, str):
        raise Refusal("Invalid string", param=name)
    if not raw:
        raise Refusal(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=name,
        )
    if len(raw) > 5000:
        raise Refusal(f"Invalid string: {raw[:20]}...; must be at most 5000 characters", param=name)
    return raw


def clearable_text(name: str, raw: Any) -> str | None:
    """A string, or an empty one that takes the value away."""
    return None if raw == "" else text(name, raw)


def integer(name: str, raw: Any) -> int:
    """A whole number in decimal digits; `950.00` is none."""
    if not isinstance(raw, str) or not re.fullmatch(r"-?[0-9]{1,18}", raw):
        raise Refusal(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name)
    return int(raw)


def boolean(name: str, raw: Any) -> bool:
    """`true` or `false`."""
    if raw not in {"true", "false"}:
        raise Refusal(f"Invalid boolean: {raw}", param=name)
    return bool(raw == "true")


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(name: str, raw: Any) -> str:
        if raw not in words:
            raise Refusal(f"Invalid {name}: must be one of {', '.join(words[:-1])} or {words[-1]}", param=name)
        return str(raw)

    return read


def texts(name: str, raw: Any) -> list[str]:
    """A list of strings: `expand[0]=a&expand[1]=b`."""
    if not isinstance(raw, dict):
        raise Refusal("Invalid array", param=name)
    return [text(f"{name}[{index}]", value) for index, value in raw.items()]


def url(name: str, raw: Any) -> str:
    """An absolute http(s) address."""
    value = text(name, raw)
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise Refusal("Not a valid URL", code="url_invalid", param=name)
    return value


def metadata(name: str, raw: Any) -> dict[str, str]:
    """At most 50 keys of 40 characters, values of 500."""
    if raw == "":
        return {}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise Refusal("Invalid object", param=name)
    if len(raw) > 50:
        raise Refusal(f"Metadata can have at most 50 keys; you passed {len(raw)}", param=name)
    for key, value in raw.items():
        if len(key) > 40:
            raise Refusal(f"Metadata keys can have up to 40 characters: {key[:40]}", param=name)
        if len(value) > 500:
            raise Refusal(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} characters.",
                param=f"{name}[{key}]",
            )
    return dict(raw)
