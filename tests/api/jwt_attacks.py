"""
Tokens that are not good, by what is wrong with them: each is made when it is called, as most of them say when they end.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fulfillment.api_key import ApiKey
from tests.fixtures.issuer import AUDIENCE, KID, NAME, claims, compact, encoded, jwk, private_key, signer, token

SKEW = 30
"""Seconds that the clock of an issuer may be wrong."""
PEM = private_key(KID).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = private_key(KID).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
HEAD = {"alg": "RS256", "typ": "JWT", "kid": KID}
sign = signer(KID, "RS256")


def now() -> int:
    return int(time.time())


def unsigned(algorithm: str) -> str:
    return compact({**HEAD, "alg": algorithm}, claims(), lambda _: b"")


def by_secret(secret: bytes, algorithm: str = "HS256") -> str:
    """HS/RS confusion: what everybody may know, used as a shared secret."""
    return compact(
        {**HEAD, "alg": algorithm}, claims(), lambda message: hmac.new(secret, message, hashlib.sha256).digest()
    )


def with_payload(text: str) -> str:
    """Correctly signed JSON that no library would write."""
    return compact(HEAD, text, sign)


def with_member(member: str) -> str:
    """A good payload and one more member, as text; a member that is there already is there twice."""
    return with_payload(f"{json.dumps(claims())[:-1]}, {member}}}")


def with_exp(number: str) -> str:
    """A good payload whose `exp` is this JSON."""
    return with_payload(f'{json.dumps(claims(exp=None))[:-1]}, "exp": {number}}}')


def segments(change: Callable[[list[str]], list[str]]) -> str:
    """A good token in parts, put together otherwise."""
    return ".".join(change(token().split(".")))


def forged(**header: Any) -> str:
    """Signed by a key of the attacker."""
    return compact({**HEAD, **header}, claims(), signer("rsa-9", "RS256"))


ALGORITHM = {
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "alg NONE": lambda: unsigned("NONE"),
    "alg empty": lambda: unsigned(""),
    "alg none, with a signature": lambda: token(header={"alg": "none"}),
    "alg none, without the last dot": lambda: unsigned("none").rstrip("."),
    "alg missing": lambda: compact({"typ": "JWT", "kid": KID}, claims(), sign),
    "alg null": lambda: token(header={"alg": None}),
    "alg a list": lambda: token(header={"alg": ["RS256"]}),
    "alg in small letters": lambda: token(header={"alg": "rs256"}),
    "alg unknown": lambda: token(header={"alg": "XX256"}),
    "HS256 by the public key as PEM": lambda: by_secret(PEM),
    "HS256 by the public key as PEM without its last line end": lambda: by_secret(PEM.strip()),
    "HS256 by the public key as DER": lambda: by_secret(DER),
    "HS256 by the public key as JWK": lambda: by_secret(json.dumps(jwk(KID)).encode()),
    "HS256 by the modulus": lambda: by_secret(jwk(KID)["n"].encode()),
    "HS256 by an empty secret": lambda: by_secret(b""),
    "HS512": lambda: by_secret(PEM, "HS512"),
    "HS256 signature under RS256": lambda: by_secret(PEM, "RS256"),
    "ES256 with an RSA key": lambda: token(header={"alg": "ES256"}),
    "RS256 with an EC key": lambda: token("p256-1", "ES256", {"alg": "RS256"}),
    "RS512, which is not configured": lambda: token(algorithm="RS512"),
    "PS256, which is not configured": lambda: token(algorithm="PS256"),
    "EdDSA, which is not configured": lambda: token("ed25519-1", "EdDSA"),
}
HEADER = {
    "no kid": lambda: compact({"alg": "RS256"}, claims(), sign),
    "kid null": lambda: token(header={"kid": None}),
    "kid empty": lambda: token(header={"kid": ""}),
    "kid a number": lambda: token(header={"kid": 1}),
    "kid a list": lambda: token(header={"kid": [KID]}),
    "kid unknown": lambda: token(header={"kid": "rsa-2"}),
    "kid of another key": lambda: token(header={"kid": "p256-1"}),
    "kid in capitals": lambda: token(header={"kid": KID.upper()}),
    "kid very long": lambda: token(header={"kid": "k" * 5000}),
    "kid a path": lambda: token(header={"kid": "../../../../dev/null"}),
    "kid an address": lambda: token(header={"kid": "https://evil.example/key.pem"}),
    "kid SQL": lambda: token(header={"kid": "' UNION SELECT 'secret' --"}),
    "kid a command": lambda: token(header={"kid": "x|id"}),
    "kid with NUL": lambda: token(header={"kid": f"{KID}\0"}),
    "kid with a line end": lambda: token(header={"kid": f"{KID}\n"}),
    "kid twice": lambda: compact(
        f'{{"alg": "RS256", "kid": "rsa-9", "kid": "{KID}"}}', claims(), signer("rsa-9", "RS256")
    ),
    "alg twice": lambda: compact(f'{{"alg": "none", "alg": "RS256", "kid": "{KID}"}}', claims(), sign),
    "crit": lambda: token(header={"crit": ["exp"], "exp": 1}),
    "crit that libraries know": lambda: token(header={"crit": ["b64"], "b64": True}),
    "crit empty": lambda: token(header={"crit": []}),
    "b64 false": lambda: token(header={"b64": False}),
    "typ rubbish": lambda: token(header={"typ": "rubbish"}),
    "typ null": lambda: token(header={"typ": None}),
    "typ an object": lambda: token(header={"typ": {}}),
    "typ of a logout token": lambda: token(header={"typ": "logout+jwt"}),
    "header no object": lambda: compact("[]", claims(), sign),
    "header a number": lambda: compact("1", claims(), sign),
    "header nested without end": lambda: compact('{"x":' + "[" * 4000, claims(), sign),
    "header with NaN": lambda: compact(f'{{"alg": "RS256", "kid": "{KID}", "x": NaN}}', claims(), sign),
    "header not UTF-8": lambda: compact(b'{"alg": "RS256", "kid": "\xff"}', claims(), sign),
    "header in UTF-16": lambda: compact(json.dumps(HEAD).encode("utf-16"), claims(), sign),
    "header with a byte order mark": lambda: compact(json.dumps(HEAD).encode("utf-8-sig"), claims(), sign),
    "key embedded as jwk": lambda: forged(jwk=jwk("rsa-9")),
    "key embedded as jwk of the same kid": lambda: forged(jwk=jwk("rsa-9", kid=KID), kid=KID),
    "key embedded as x5c": lambda: forged(x5c=[encoded(DER)]),
}
CLAIMS = {
    "wrong issuer": lambda: token(iss="https://evil.example"),
    "issuer with a slash more": lambda: token(iss=f"{NAME}/"),
    "issuer in capitals": lambda: token(iss=NAME.upper()),
    "issuer a list": lambda: token(iss=[NAME]),
    "no issuer": lambda: token(iss=None),
    "issuer twice": lambda: with_member(f'"iss": "{NAME}"'),
    "wrong audience": lambda: token(aud="billing"),
    "audience a part of ours": lambda: token(aud="order"),
    "audience that has ours in it": lambda: token(aud="orders-test"),
    "audience list without us": lambda: token(aud=["billing", "stock"]),
    "audience list empty": lambda: token(aud=[]),
    "audience list with a number": lambda: token(aud=[AUDIENCE, 1]),
    "audience an object": lambda: token(aud={AUDIENCE: True}),
    "no audience": lambda: token(aud=None),
    "expired": lambda: token(exp=now() - 3600),
    "expired just outside the skew": lambda: token(exp=now() - SKEW - 1),
    "no exp": lambda: token(exp=None),
    "exp null": lambda: with_exp("null"),
    "exp a text": lambda: token(exp=str(now() + 300)),
    "exp a truth value": lambda: token(exp=True),
    "exp a fraction": lambda: token(exp=now() + 300.5),
    "exp 1e400": lambda: with_exp("1e400"),
    "exp NaN": lambda: with_exp("NaN"),
    "exp Infinity": lambda: with_exp("Infinity"),
    "exp negative": lambda: token(exp=-1),
    "exp beyond every calendar": lambda: token(exp=10**12),
    "exp of a hundred digits": lambda: token(exp=10**100),
    "exp of five thousand digits": lambda: with_exp("9" * 5000),
    "exp a list": lambda: token(exp=[now() + 300]),
    "exp twice": lambda: with_member(f'"exp": {now() + 300}'),
    "nbf in the future": lambda: token(nbf=now() + SKEW + 60),
    "nbf a text": lambda: token(nbf=str(now())),
    "nbf null": lambda: with_member('"nbf": null'),
    "iat in the future": lambda: token(iat=now() + SKEW + 60),
    "iat a truth value": lambda: token(iat=True),
    "no sub": lambda: token(sub=None),
    "sub empty": lambda: token(sub=""),
    "sub with a space": lambda: token(sub="shop 7"),
    "sub with a control character": lambda: token(sub="shop\n7"),
    "sub with NUL": lambda: token(sub="shop\0"),
    "sub with half a character": lambda: token(sub="\ud800"),
    "sub without end": lambda: token(sub="s" * 201),
    "sub an object": lambda: token(sub={"id": "shop"}),
    "sub a number": lambda: token(sub=7),
    "jti a number": lambda: token(jti=7),
    "scope a number": lambda: token(scope=1),
    "scope an object": lambda: token(scope={"orders:read": True}),
    "scope list with a number": lambda: token(scope=["orders:read", 1]),
    "scope null": lambda: with_payload(json.dumps({**claims(), "scope": None})),
    "roles a truth value": lambda: token(roles=True),
    "customer null": lambda: with_member('"customer_id": null'),
    "customer blank": lambda: token(customer_id="  "),
    "customer empty": lambda: token(customer_id=""),
    "customer a number": lambda: token(customer_id=7),
    "customer a list": lambda: token(customer_id=["C-1"]),
    "customer without end": lambda: token(customer_id="C" * 101),
    "customer with NUL": lambda: token(customer_id="C\0"),
    "customer with half a character": lambda: token(customer_id="C\udfff"),
    "customer false": lambda: token(customer_id=False),
    "customer twice": lambda: with_member('"customer_id": "C-1", "customer_id": "C-2"'),
}
FORM = {
    "signature stripped": lambda: segments(lambda parts: [*parts[:2], ""]),
    "signature and its dot stripped": lambda: segments(lambda parts: parts[:2]),
    "signature truncated": lambda: token()[:-10],
    "signature of another token": lambda: segments(lambda parts: [*parts[:2], token(sub="x").split(".")[2]]),
    "signature of zeros": lambda: compact(HEAD, claims(), lambda _: bytes(256)),
    "ES256 signature of zeros": lambda: compact(
        {**HEAD, "alg": "ES256", "kid": "p256-1"}, claims(), lambda _: bytes(64)
    ),
    "signature with padding": lambda: f"{token()}==",
    "payload tampered with": lambda: segments(lambda parts: [parts[0], encoded(claims(sub="admin")), parts[2]]),
    "payload stripped": lambda: segments(lambda parts: [parts[0], "", parts[2]]),
    "payload no object": lambda: with_payload('["orders"]'),
    "payload no JSON": lambda: with_payload("sub=shop"),
    "payload nested without end": lambda: with_payload('{"x":' + "[" * 4000),
    "payload not UTF-8": lambda: compact(HEAD, b'{"sub": "\xff"}', sign),
    "a JWT in a JWT": lambda: compact({**HEAD, "cty": "JWT"}, token(), sign),
    "encrypted, five parts": lambda: segments(lambda parts: [*parts, "AAAA", "AAAA"]),
    "four parts": lambda: segments(lambda parts: [*parts, "AAAA"]),
    "one part": lambda: token().replace(".", ""),
    "dots alone": lambda: "..",
    "not base64": lambda: "!!!.???.***",
    "base64 of the other alphabet": lambda: segments(lambda parts: [*parts[:2], "+" + parts[2][1:]]),
    "longer than 8 KiB": lambda: token(x="x" * 8192),
    "a word": lambda: "admin",
    "JSON": lambda: '{"alg":"none"}',
    "one of our API keys, changed": lambda: f"x{ApiKey.new().text}",
    "an API key as payload": lambda: compact(HEAD, ApiKey.new().text, sign),
    "key of the set for encryption": lambda: compact({**HEAD, "kid": "rsa-enc"}, claims(), signer("rsa-enc", "RS256")),
    "key of the set too short": lambda: compact({**HEAD, "kid": "rsa1024-1"}, claims(), signer("rsa1024-1", "RS256")),
    "key of the set that is public": lambda: compact(
        {**HEAD, "kid": "rsa-leaked"}, claims(), signer("rsa-leaked", "RS256")
    ),
    "key of another issuer": forged,
}
ATTACKS = ALGORITHM | HEADER | CLAIMS | FORM
