"""
AES-256-GCM with a ring of named keys: for payloads on their way to Temporal and for card tokens at rest.
"""

import os
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from fulfillment.domain.keyring import Key

_ENCODING = b"binary/encrypted"
_NONCE_BYTES = 12


class UnknownKey(Exception):
    """Something was encrypted with a key that is not (or no longer) in the ring, or was tampered with."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"cannot decrypt with key {key_id!r}: add it to FULFILLMENT_ENCRYPTION__KEYS")


class Cipher:
    """Encrypts with the first key, decrypts with any of them."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._current = keys[0].id
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}

    def encrypt(self, plain: bytes, context: bytes = b"") -> tuple[str, bytes]:
        """The id of the key used, and nonce plus ciphertext; `context` must be the same to decrypt."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._current, nonce + self._ciphers[self._current].encrypt(nonce, plain, context)

    def decrypt(self, key_id: str, data: bytes, context: bytes = b"") -> bytes:
        """
        The plain bytes.

        Raises:
            UnknownKey: the key is not in the ring, or the data or its context are not what was encrypted.
        """
        try:
            return self._ciphers[key_id].decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context)
        except (KeyError, ValueError, InvalidTag) as error:
            raise UnknownKey(key_id) from error


class EncryptionCodec(PayloadCodec):
    """Everything Temporal stores (inputs, results, memo, failures) as ciphertext; plain payloads stay readable."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload whole, its metadata included."""
        return [self._encode(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted, pass on what is not."""
        return [self._decode(payload) for payload in payloads]

    def _encode(self, payload: Payload) -> Payload:
        key_id, data = self._cipher.encrypt(payload.SerializeToString())
        metadata: dict[str, Any] = {"encoding": _ENCODING, "key": key_id.encode()}
        return Payload(metadata=metadata, data=data)

    def _decode(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        return Payload.FromString(self._cipher.decrypt(payload.metadata["key"].decode(), payload.data))
