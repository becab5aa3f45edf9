"""Documents made ready to execute: parsed, within the limits, valid.

Each text is looked at once; what comes again costs a dictionary look-up.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graphql_schema.executor import Shared
from graphql_schema.limits import (
    MAX_COMMENTS,
    MAX_SOURCE_LENGTH,
    MAX_TOKENS,
    LimitExceededError,
    Limits,
    Meter,
    PageSizes,
    page_size,
    page_variables,
)

CACHED_DOCUMENTS = 512  # the page has some thirty; what is never asked again is the first to go
KEPT_PAGE_SIZES = 32  # for each document
CACHED_CHARACTERS = 2_000_000  # of source text: a syntax tree takes some fifty times that


@dataclass(frozen=True, slots=True)
class Prepared:
    """One document: executable when `errors` is empty."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()
    page_variables: frozenset[str] = frozenset()
    shared: Shared | None = None
    affordable: set[tuple[int | None, ...]] = field(default_factory=set)  # page sizes that were within the limits


class Documents:
    """Prepares documents for one schema. `introspection` also decides whether errors suggest names that do exist."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool, limits: Limits | None = None) -> None:
        self._schema = schema
        self._limits = limits or Limits()
        self._page_sizes = PageSizes(schema)
        self._introspection = introspection
        # Created once: rules made anew for each request would be other classes, and no cache of their findings could hit.
        own = () if introspection else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule, *own)
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._characters = 0
        self.validations = 0  # how many documents were looked at: tests hold that repetition adds none

    def prepare(self, source: str, variables: Mapping[str, Any]) -> Prepared:
        """The document of this text. Never raises; the answer's errors are meant for the client."""
        prepared = self._prepared.get(source)
        if prepared is None:
            prepared = self._look_at(source)
            self._keep(source, prepared)
        else:
            self._prepared.move_to_end(source)
        if prepared.page_variables and prepared.document and not prepared.errors:
            return self._within_limits(prepared, variables)
        return prepared

    def _look_at(self, source: str) -> Prepared:
        self.validations += 1
        try:
            document = parse(
                source, max_tokens=MAX_TOKENS, max_source_length=MAX_SOURCE_LENGTH, max_comments=MAX_COMMENTS
            )
            Meter(document, self._page_sizes, self._limits).check()
        except GraphQLError as error:
            return Prepared(None, (error.with_traceback(None),))
        errors = validate(self._schema, document, self._rules, hide_suggestions=not self._introspection)
        shared = None if _has_directives(document) else Shared()
        return Prepared(document, tuple(errors), page_variables(document), shared)

    def _within_limits(self, prepared: Prepared, variables: Mapping[str, Any]) -> Prepared:
        """The cost is known only with the page sizes that this request's variables give."""
        sizes = tuple(page_size(variables.get(name)) for name in prepared.page_variables)
        if sizes not in prepared.affordable:
            try:
                Meter(prepared.document, self._page_sizes, self._limits, variables).check()  # type: ignore[arg-type]
            except LimitExceededError as error:
                return Prepared(None, (error,))
            if len(prepared.affordable) < KEPT_PAGE_SIZES:
                prepared.affordable.add(sizes)
        return prepared

    def _keep(self, source: str, prepared: Prepared) -> None:
        self._prepared[source] = prepared
        self._characters += len(source)
        while len(self._prepared) > CACHED_DOCUMENTS or self._characters > CACHED_CHARACTERS:
            gone, _ = self._prepared.popitem(last=False)
            self._characters -= len(gone)


def _has_directives(document: DocumentNode) -> bool:
    """Whether any selection is conditional (@skip, @include): which fields there are then depends on the variables."""
    waiting: list[Any] = list(document.definitions)
    while waiting:
        node = waiting.pop()
        if node.directives:
            return True
        inner = getattr(node, "selection_set", None)
        waiting.extend(inner.selections if inner else ())
    return False
