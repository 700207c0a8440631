"""
Recognising a repeated request body without keeping the body: an HMAC of its canonical JSON.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from fulfillment.domain.keyring import Key

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The digest of a body and the id of the key it was made with."""

    digest: str
    key_id: str


class FingerprintRing:
    """Fingerprints with the first key; recognises those of every key it holds."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._current = keys[0].id
        self._keys = {key.id: key.secret for key in keys}

    def of(self, body: Body) -> Fingerprint:
        """The fingerprint of a JSON object; the order of its fields does not matter."""
        return Fingerprint(self._digest(body, self._current), self._current)

    def knows(self, key_id: str) -> bool:
        """Whether fingerprints of this key can still be compared."""
        return key_id in self._keys

    def matches(self, body: Body, fingerprint: Fingerprint) -> bool:
        """Whether the fingerprint is of this body; never true when its key has left the ring."""
        return self.knows(fingerprint.key_id) and hmac.compare_digest(
            self._digest(body, fingerprint.key_id), fingerprint.digest
        )

    def _digest(self, body: Body, key_id: str) -> str:
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hmac.new(self._keys[key_id], canonical.encode(), hashlib.sha256).hexdigest()
