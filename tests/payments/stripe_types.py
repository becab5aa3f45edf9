"""Holds every request against the types that Stripe publishes for its API, read out of the installed library.

The sandbox could be wrong about Stripe in the same way as the gateway. This module can't: which path takes which
parameters comes out of the library's own services, and what they are out of its `stripe.params` types.
"""

import ast
import importlib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import stripe
import typing_extensions
from stripe._api_version import _ApiVersion
from stripe._stripe_object import UntypedStripeObject

from app.embedded.stripe.parameters import decode

VERSION: str = _ApiVersion.CURRENT
LIBRARY = Path(stripe.__file__).parent
OPTIONS = frozenset(stripe.RequestOptions.__annotations__)  # sent as headers, never as parameters
_PLACEHOLDER = re.compile(r"\\\{[a-z_0-9]+\\\}")


@dataclass(frozen=True)
class Published:
    """What Stripe publishes about one call: where its parameters' type is, None when it takes none."""

    method: str
    path: str
    module: str | None = None
    name: str | None = None

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is this call."""
        pattern = _PLACEHOLDER.sub("[^/]+", re.escape(self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None

    def parameters(self) -> type | None:
        """The TypedDict of the parameters."""
        if self.module is None or self.name is None:
            return None
        found: type = getattr(importlib.import_module(self.module), self.name)
        return found


def faults(method: str, path: str, items: Iterable[tuple[str, str]]) -> list[str]:
    """What Stripe's types hold against a request as it was sent; empty when nothing."""
    call = call_of(method, path)
    if call is None:
        return [f"{method} {path}: Stripe publishes no such call"]
    parameters = call.parameters()
    sent = decode(items)
    if parameters is None:
        return [f"{method} {path}: takes no parameters, got {sorted(sent)}"] if sent else []
    return [f"{method} {path}: {fault}" for fault in _against_type(sent, parameters, "", OPTIONS)]


def call_of(method: str, path: str) -> Published | None:
    """The call that a request is; a literal path (/search) is more to the point than a placeholder (/{intent})."""
    calls = [call for call in published(path.split("/")[2]) if call.fits(method, path)]
    return min(calls, key=lambda call: call.path.count("{"), default=None)


def wrong_version(headers: Mapping[str, str]) -> list[str]:
    """The version of the API that the types describe must be the one that the request names; a page names none."""
    from_library = "PythonBindings" in headers.get("user-agent", "")
    version = headers.get("stripe-version", None if from_library else VERSION)
    return [] if version == VERSION else [f"Stripe-Version is {version}, the types are of {VERSION}"]


@cache
def published(resource: str) -> tuple[Published, ...]:
    """Every call below /v1/`resource`, out of the library's services."""
    found: list[Published] = []
    for file in sorted(LIBRARY.rglob("_*_service.py")):
        source = file.read_text()
        if f'"/v1/{resource}' in source:
            found += _calls_of(ast.parse(source))
    return tuple(found)


def _calls_of(service: ast.Module) -> list[Published]:
    imported = {
        alias.name: node.module
        for node in ast.walk(service)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found = []
    for function in ast.walk(service):
        if not isinstance(function, ast.FunctionDef):
            continue
        target = _target(function)
        if target is not None:
            name = _parameter_type(function)
            found.append(Published(*target, imported.get(name) if name else None, name))
    return found


def _target(function: ast.FunctionDef) -> tuple[str, str] | None:
    """(method, path) of the request that a service's method sends."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_request":
            texts = [part.value for arg in node.args[:2] for part in ast.walk(arg) if isinstance(part, ast.Constant)]
            return str(texts[0]).upper(), str(texts[1])
    return None


def _parameter_type(function: ast.FunctionDef) -> str | None:
    for argument in (*function.args.posonlyargs, *function.args.args):
        if argument.arg == "params" and argument.annotation is not None:
            match = re.search(r"\w+Params", ast.unparse(argument.annotation))
            return match[0] if match else None
    return None


def _against_type(value: Any, wanted: Any, name: str, options: frozenset[str] = frozenset()) -> list[str]:
    """Compare a decoded value with a type; a form's leaves are strings, so a number must read as one."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in {typing.NotRequired, typing_extensions.NotRequired}:
        found = _against_type(value, arguments[0], name)
    elif origin in {typing.Union, types.UnionType}:
        found = _against_union(value, arguments, name)
    elif origin in {Literal, typing_extensions.Literal}:
        found = [] if value in arguments else [f"{name}: {value!r} is none of {', '.join(map(repr, arguments))}"]
    elif origin is list:
        found = _against_list(value, arguments[0], name)
    elif origin in {dict, UntypedStripeObject}:
        found = _against_mapping(value, arguments[-1], name)
    elif isinstance(wanted, type) and typing_extensions.is_typeddict(wanted):
        found = _against_fields(value, wanted, name, options)
    else:
        found = _against_leaf(value, wanted, name)
    return found


def _against_union(value: Any, choices: tuple[Any, ...], name: str) -> list[str]:
    """One of them must fit. An enumeration that Stripe leaves open for later words (Literal | str) is closed here."""
    literals = [choice for choice in choices if typing.get_origin(choice) in {Literal, typing_extensions.Literal}]
    words = [word for literal in literals for word in typing.get_args(literal)]
    if any(words):
        choices = tuple(choice for choice in choices if choice is not str)
    found = [_against_type(value, choice, name) for choice in choices if choice is not type(None)]
    return [] if any(not faults for faults in found) else min(found, key=len)


def _against_list(value: Any, entry: Any, name: str) -> list[str]:
    if not isinstance(value, dict) or list(value) != [str(index) for index in range(len(value))]:
        return [f"{name}: a list is wanted"]
    return [fault for index, item in value.items() for fault in _against_type(item, entry, f"{name}[{index}]")]


def _against_mapping(value: Any, entry: Any, name: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name}: an object is wanted"]
    return [fault for key, item in value.items() for fault in _against_type(item, entry, f"{name}[{key}]")]


def _against_fields(value: Any, wanted: type, name: str, options: frozenset[str]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name}: an object is wanted"]
    known = {key: field for key, field in fields(wanted).items() if key not in options}
    full = {key: f"{name}[{key}]" if name else key for key in (*value, *known)}
    required = {key for key, field in known.items() if not may_be_absent(field)}
    found = [f"{full[key]}: unknown" for key in value if key not in known]
    found += [f"{full[key]}: missing" for key in sorted(required - set(value))]
    return found + [
        fault for key, item in value.items() if key in known for fault in _against_type(item, known[key], full[key])
    ]


@cache
def fields(wanted: type) -> dict[str, Any]:
    """The fields of a TypedDict, resolved, with the options that every parameter type inherits."""
    # The options that every parameter type inherits are written with names of another module, one of them known to
    # type checkers alone.
    inherited = vars(importlib.import_module("stripe._request_options")) | {"StripeContext": object}
    return typing_extensions.get_type_hints(wanted, localns=inherited, include_extras=True)


def may_be_absent(field: Any) -> bool:
    """Whether a field is marked as one that need not be given."""
    return typing.get_origin(field) in {typing.NotRequired, typing_extensions.NotRequired}


def _against_leaf(value: Any, wanted: Any, name: str) -> list[str]:
    patterns = {int: r"-?[0-9]+", bool: r"true|false", float: r"-?[0-9]+(\.[0-9]+)?", str: r"(?s).*"}
    if wanted is Any:
        return []
    if wanted not in patterns:
        raise TypeError(f"{name}: this check does not know Stripe's type {wanted!r} yet")
    if isinstance(value, str) and re.fullmatch(patterns[wanted], value):
        return []
    return [f"{name}: {value!r} is no {wanted.__name__}"]
