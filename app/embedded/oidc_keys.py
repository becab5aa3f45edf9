"""The embedded issuer's signing keys: one file that only its owner reads, the newest key first."""

import json
import os
import tempfile
from pathlib import Path

from joserfc.jwk import KeySet, KeySetSerialization, RSAKey


class SigningKeys:
    """Keys in `<directory>/oidc-keys.json`. Made on first use; whoever comes second finds them there."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "oidc-keys.json"
        self._keys: list[RSAKey] = []

    def signing_key(self) -> RSAKey:
        """The newest key: tokens are signed with it."""
        return self._load()[0]

    def public(self) -> KeySetSerialization:
        """The key set as the issuer publishes it: no private part."""
        return {"keys": [key.as_dict(private=False, use="sig", alg="RS256") for key in self._load()]}

    def rotate(self) -> RSAKey:
        """Sign with a new key from now on. The earlier ones stay published, so that their tokens live on."""
        self._keys = [_new_key(), *self._load()]
        self._write(replace=True)
        return self._keys[0]

    def retire(self) -> None:
        """Publish the newest key only: tokens of the earlier ones are no longer good."""
        self._keys = self._load()[:1]
        self._write(replace=True)

    def _load(self) -> list[RSAKey]:
        if not self._keys:
            if not self._file.exists():
                self._keys = [_new_key()]
                self._write(replace=False)
            stored = json.loads(self._file.read_text())
            self._keys = [RSAKey.import_key(key) for key in stored["keys"]]
        return self._keys

    def _write(self, *, replace: bool) -> None:
        """Write aside, then move into place: a reader sees a whole file. Without `replace`, a file that is there
        already wins."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._file.parent, prefix=".oidc-keys-")  # made with mode 0600
        aside = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(KeySet(list(self._keys)).as_dict(private=True), file)
            if replace:
                aside.replace(self._file)
            else:
                try:
                    os.link(aside, self._file)
                except FileExistsError:
                    return
        finally:
            aside.unlink(missing_ok=True)


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)
