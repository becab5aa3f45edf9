"""docs/RULES.md names what exists; and the check that says so sees each fault."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "RULES.md").read_text()
faults: Callable[[str], list[str]] = runpy.run_path(str(DOCS / "check_rules.py"))["faults"]


def test_the_document_names_what_exists() -> None:
    assert faults(TEXT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("app/rules/burn_order.py:burn`", "app/rules/burn_order.py:burnt`", "no such name in that file"),
        ("app/rules/burn_order.py:burn`", "app/rules/fire_order.py:burn`", "no such file"),
        ("test_burn_order.py:test_what_is_taken_and", "test_burn_order.py:test_what_was_taken_and", "no such name"),
        ("`tests/rules/test_money.py:test_units_are_hundredths`", "`app/rules/money.py:units`", "not a test"),
        ("`uq_users_subject`", "`uq_users_object`", "no constraint uq_users_object"),
        (" `app/rules/burn_order.py:burn` ", " – ", "names no function or no test"),
        ("| 19 |", "| 43.4 |", "ruling 19 is neither in a table nor open"),
        ("15 (seats", "(seats", "ruling 15 is neither in a table nor open"),
        ("| 7 | Included", "| 7 | Included | credits", "a row has 5 cells, not 6"),
    ],
)
def test_the_check_sees_each_fault(right: str, wrong: str, says: str) -> None:
    assert TEXT.count(right) >= 1
    found = faults(TEXT.replace(right, wrong))
    assert any(says in fault for fault in found), found
