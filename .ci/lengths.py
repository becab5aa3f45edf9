"""Fails for a source file of more than 400 lines or a function of more than 40: they are split by noun (see the README)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 40  # lines, without its docstring
KINDS = {".py", ".ts", ".tsx", ".css", ".sql"}


def long_functions(path: Path) -> Iterator[tuple[int, str, int]]:
    """(line, name, length) of every function that is too long."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            first = node.body[0].end_lineno or 0 if documented else node.lineno - 1
            length = (node.end_lineno or 0) - first
            if length > LONGEST_FUNCTION:
                yield node.lineno, node.name, length


listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout  # noqa: S607 - git by PATH
files = [
    Path(name) for name in listed.decode().split("\0") if name and Path(name).suffix in KINDS and Path(name).exists()
]
faults = []
for path in sorted(files):
    length = len(path.read_text(encoding="utf-8").splitlines())
    if length > LONGEST_FILE:
        faults.append(f"{path}: {length} lines; {LONGEST_FILE} is the limit of a file")
    if path.suffix == ".py":
        found = long_functions(path)
        faults += [
            f"{path}:{line}: {name} has {size} lines; {LONGEST_FUNCTION} is the limit" for line, name, size in found
        ]
sys.stderr.writelines(f"{fault}\n" for fault in faults)
sys.exit(bool(faults))
