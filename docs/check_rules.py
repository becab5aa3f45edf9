"""RULES.md must not name functions, tests or constraints that do not exist, and must speak of every ruling. `make check` runs it."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RULINGS = range(1, 28)
_CODE = re.compile(r"`([^`]+)`")
_COLUMNS = ("Nr", "Rule", "Function", "Tests", "Database")


def faults(text: str) -> list[str]:
    """What is wrong with the text of RULES.md, a line each."""
    tables, _, still_open = text.partition("## Not built yet")
    found, spoken_of = [], set(re.findall(r"\d+", still_open))
    for number, row in _rows(tables):
        if len(row) != len(_COLUMNS):
            found.append(f"line {number}: a row has {len(_COLUMNS)} cells, not {len(row)}")
            continue
        spoken_of |= set(re.findall(r"(?<![\d.])\d+(?![\d.])", row[0]))
        functions, tests, constraints = (_CODE.findall(cell) for cell in row[2:])
        if not functions or not tests:
            found.append(f"line {number}: {row[1]!r} names no function or no test")
        found += [f"line {number}: {name}: {fault}" for name in functions if (fault := _fault(name))]
        found += [f"line {number}: {name}: {fault}" for name in tests if (fault := _fault(name, is_test=True))]
        found += [f"line {number}: no constraint {name}" for name in constraints if name not in _constraints()]
    found += [f"ruling {number} is neither in a table nor open" for number in RULINGS if str(number) not in spoken_of]
    return found


def _rows(text: str) -> list[tuple[int, list[str]]]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|") and not line.startswith(("| Nr |", "|---")):
            rows.append((number, [cell.strip() for cell in line.strip("|").split("|")]))
    return rows


def _fault(reference: str, *, is_test: bool = False) -> str | None:
    path, _, name = reference.partition(":")
    if not (PROJECT / path).is_file():
        return "no such file"
    if name not in _names(path):
        return "no such name in that file"
    if is_test and not (path.startswith("tests/") and name.startswith("test_")):
        return "not a test"
    return None


@cache
def _names(path: str) -> frozenset[str]:
    """Functions, classes and constants at the top of a module."""
    names: set[str] = set()
    for node in ast.parse((PROJECT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names)


@cache
def _constraints() -> frozenset[str]:
    """Constraints and unique indexes that the migrations make."""
    sql = "\n".join(path.read_text() for path in sorted((PROJECT / "migrations").rglob("*.sql")))
    return frozenset(re.findall(r"(?:CONSTRAINT|UNIQUE INDEX) (\w+)", sql))


def main() -> int:
    found = faults((PROJECT / "docs" / "RULES.md").read_text())
    for fault in found:
        sys.stderr.write(f"docs/RULES.md: {fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
