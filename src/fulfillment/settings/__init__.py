"""
How the service behaves: every `FULFILLMENT_…` variable, read once per process.

How to *reach* Temporal is not here: that is `temporal.toml` and `TEMPORAL_…` alone.
Nested names use two underscores: `FULFILLMENT_DATABASE__URL`.
"""

import json
import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fulfillment.domain.identity import ROLE_FORM, Scope, is_role
from fulfillment.domain.keyring import Key, parse_keys
from fulfillment.settings.approvals import Approvals
from fulfillment.settings.providers import STRIPE, AllCarriers, Payments
from fulfillment.settings.values import Duration, Port, Section


class Database(Section):
    """The PostgreSQL behind orders, stock and the operations ledger."""

    url: SecretStr = Field(description="`postgresql://user:password@host:5432/name`; a socket folder goes in `?host=`.")
    pool_size: int = Field(
        default=10,
        ge=1,
        description="Connections a process keeps; at least as many as busy slots. The API has 8 more for API keys.",
    )
    pool_timeout: Duration = Field(default=timedelta(seconds=5), description="Wait for a free connection, then 503.")
    statement_timeout: Duration = Field(default=timedelta(seconds=10), description="Upper bound of one statement.")
    pooler: bool = Field(
        default=False,
        description="Set behind a pooler of transactions that knows prepared statements (PgBouncer 1.21 or newer).",
    )

    @field_validator("url")
    @classmethod
    def _url_names_postgresql(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://", "postgresql+asyncpg://")):
            msg = "must be `postgresql://user:password@host:5432/name`"
            raise ValueError(msg)
        return value


def _well_formed(value: SecretStr) -> SecretStr:
    parse_keys(value.get_secret_value())
    return value


KeyRing = Annotated[SecretStr, AfterValidator(_well_formed)]


class Encryption(Section):
    """Keys for card tokens at rest and for everything handed to Temporal."""

    keys: KeyRing = Field(
        description="`id:base64 of 32 bytes`, comma separated; the first encrypts, all decrypt (rotation)."
    )
    payloads: bool = Field(default=True, description="Encrypt what Temporal stores. Off only where its UI is a tool.")

    def ring(self) -> tuple[Key, ...]:
        """The keys, the encrypting one first."""
        return parse_keys(self.keys.get_secret_value())


class Api(Section):
    """The HTTP side."""

    host: str = Field(default="127.0.0.1", description="The address it listens on; `0.0.0.0` in a container.")
    port: Port = Field(default=8000, description="The port it listens on.")
    public_url: str = Field(default="http://127.0.0.1:8000", description="What callers see; problem types link to it.")
    fingerprint_keys: KeyRing = Field(
        description="`id:base64`, comma separated: HMAC keys that recognise a repeated request body."
    )
    drain: Duration = Field(default=timedelta(seconds=15), description="Time for open requests after SIGTERM.")

    def fingerprint_ring(self) -> tuple[Key, ...]:
        """The fingerprint keys, the current one first."""
        return parse_keys(self.fingerprint_keys.get_secret_value())


class Internal(Section):
    """Probes and metrics of each process: never to be exposed to callers."""

    host: str = Field(default="127.0.0.1", description="The address it listens on; `0.0.0.0` in a container.")
    port: Port = Field(default=9000, description="The port it listens on; one of its own per process of a machine.")


class Worker(Section):
    """How a worker process runs its roles."""

    strict_sandbox: bool = Field(default=True, description="Check workflow code for determinism while it runs.")
    drain: Duration = Field(default=timedelta(seconds=30), description="Time for running activities after SIGTERM.")
    activity_slots: int = Field(default=50, ge=1, description="Remote activities at once, per role.")
    workflow_slots: int = Field(default=100, ge=2, description="Workflow tasks and local activities at once.")
    cached_workflows: int = Field(default=1000, ge=0, description="Workflows kept in memory between tasks.")
    sticky_timeout: Duration = Field(
        default=timedelta(seconds=2),
        description="How long a dead worker's cached workflows wait before others take them.",
    )
    pollers: int = Field(default=10, ge=2, description="Open polls per queue and kind.")
    payments_per_second: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="At most so many payment steps a second, of all workers together: the Temporal server enforces it, "
        "so give every worker the same. Orders above it wait, however long; none is rejected for waiting.",
    )
    circuit_failures: int = Field(
        default=5, ge=1, description="After so many failures in a row a provider is asked less often, per process."
    )
    circuit_pause: Duration = Field(
        default=timedelta(seconds=5),
        description="Then one attempt per pause asks it, the others wait for a minute; 0: it is asked as before.",
    )


class Orders(Section):
    """Deadlines and switches an order is placed with; later changes touch new orders only."""

    payment_window: Duration = Field(
        default=timedelta(days=7), description="How long an order may wait for a card; then it is rejected."
    )
    hand_over_window: Duration = Field(
        default=timedelta(days=30),
        description="How soon the carrier is to pick a parcel up; then an operator is asked.",
    )
    delivery_window: Duration = Field(
        default=timedelta(days=30), description="How soon after that it is to arrive; then an operator is asked."
    )
    attention_window: Duration = Field(
        default=timedelta(days=1), description="How soon an operator is to answer an order that needs attention."
    )
    retry_payment: bool = Field(default=False, description="After a declined card wait for another one.")
    provider_patience: Duration = Field(
        default=timedelta(hours=1),
        description="How long a provider may stay away before an order that can still be undone is rejected, about.",
    )
    capture_patience: Duration = Field(
        default=timedelta(hours=22), description="The same for taking the money; then an operator is asked."
    )
    undo_patience: Duration = Field(
        default=timedelta(hours=22), description="The same for undoing a step; then an operator is asked."
    )
    key_memory: Duration = Field(
        default=timedelta(hours=23),
        description="How long providers remember a key; what is older and unknown is looked into by an operator.",
    )
    second_look: Duration = Field(
        default=timedelta(minutes=2),
        description="After this an undo that found nothing looks again: a provider may do late what it never answered.",
    )


def _split(value: object) -> object:
    """Several values in one variable, comma separated."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _document(value: object) -> object:
    """
    A mapping in one variable, as JSON.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        msg = 'must be JSON: {"a value of the issuer": ["one of ours", ...], ...}'
        raise ValueError(msg) from None


def _role(value: str) -> str:
    if not is_role(value):
        msg = f"a role has {ROLE_FORM}"
        raise ValueError(msg)
    return value


def _names_host(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


JwtAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones alone: whoever could check a token by a shared secret could also make one."""
ClaimName = Annotated[str, Field(min_length=1, max_length=200)]
RoleName = Annotated[str, AfterValidator(_role)]


class Jwt(Section):
    """JWTs of one issuer, accepted beside API keys."""

    issuer: str = Field(description="The `iss` of its tokens, to the letter.")
    audience: str = Field(min_length=1, max_length=200, description="What their `aud` must be or contain.")
    jwks_url: str = Field(description="Where it publishes its keys (JWKS): `https://issuer.example.com/jwks.json`.")
    algorithms: Annotated[tuple[JwtAlgorithm, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("RS256", "ES256"), description="Accepted signatures, comma separated."
    )
    clock_skew: Duration = Field(
        default=timedelta(seconds=30), le=timedelta(minutes=5), description="How far clocks may be apart."
    )
    jwks_lifetime: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        le=timedelta(days=1),
        description="How long fetched keys are used; a withdrawn one works up to 10 s longer, until they are renewed.",
    )
    scope_claim: ClaimName = Field(default="scope", description="Scopes: a list, or a text with spaces between.")
    roles_claim: ClaimName = Field(default="roles", description="Roles: the same.")
    customer_claim: ClaimName = Field(default="customer_id", description="The customer a caller is bound to.")
    scopes: Annotated[dict[str, list[Scope]] | None, NoDecode, BeforeValidator(_document)] = Field(
        default=None,
        description="JSON: the issuer's value to our scopes. Without it our own names count, with it nothing else.",
    )
    roles: Annotated[dict[str, list[RoleName]] | None, NoDecode, BeforeValidator(_document)] = Field(
        default=None, description="The same for roles."
    )

    @field_validator("issuer")
    @classmethod
    def _issuer_can_be_part_of_an_id(cls, value: str) -> str:
        # `#` ends the issuer in the id of a caller: with one inside, two callers could get the same id.
        if not re.fullmatch(r'[!"$-~]{1,200}', value):
            msg = "must be 1 to 200 visible ASCII characters, none of them `#`"
            raise ValueError(msg)
        return value

    @field_validator("jwks_url")
    @classmethod
    def _url_names_a_host(cls, value: str) -> str:
        usable = _names_host(value, "https", "http") and re.fullmatch(r"[!-~]+", value)
        if not usable or re.search("[@#]", value):
            msg = "must be `https://host/path`, without user, password, `@` and `#`"
            raise ValueError(msg)
        return value

    @property
    def comes_safely(self) -> bool:
        """Whether nobody on the way can replace the issuer's keys by their own."""
        parts = urlsplit(self.jwks_url)
        return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}


class Limits(Section):
    """What one caller may ask of the service, and how long it may take to ask it."""

    rate: str = Field(
        default="3000/minute",
        description="Requests of one caller: `NUMBER/second`, `/minute`, `/hour` or `/day`; `off` for no limit.",
    )
    storage: SecretStr | None = Field(
        default=None,
        description="`redis://[user:password@]host:port/0` (or `rediss://`) counts for all API processes together; "
        "without it each process counts for itself.",
    )
    header_timeout: Duration = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="From connecting to the last header of a request."
    )
    body_timeout: Duration = Field(
        default=timedelta(seconds=15), gt=timedelta(0), description="For the body, from when it is asked for."
    )
    keep_alive: Duration = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="How long a connection may be idle; more than what a proxy in front keeps its own open for.",
    )
    connections: int = Field(
        default=1000,
        ge=1,
        description="Open at a time, per API process; it may need 200 file descriptors more than this (`ulimit -n`).",
    )

    @field_validator("rate")
    @classmethod
    def _rate_is_a_number_per_unit(cls, value: str) -> str:
        if not re.fullmatch(r"off|[1-9][0-9]{0,8}/(second|minute|hour|day)", value):
            msg = "must be `off` or like `3000/minute`: a number per second, minute, hour or day"
            raise ValueError(msg)
        return value

    @field_validator("storage")
    @classmethod
    def _storage_is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        url = value.get_secret_value() if value else None
        if url and not (_names_host(url, "redis", "rediss") and re.fullmatch(r"(/[0-9]{0,4})?", urlsplit(url).path)):
            msg = "must be `redis://[user:password@]host:port/0`, or `rediss://` for TLS"
            raise ValueError(msg)
        return value


class Log(Section):
    """What a process says about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is less important is left out."
    )
    format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal.")


class Stage(BaseSettings):
    """What even the smallest command reads."""

    model_config = SettingsConfigDict(
        env_prefix="FULFILLMENT_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    profile: Literal["local", "staging", "production"] = Field(
        default="production", description="Decides whether documentation and sandbox are served."
    )
    log: Log = Log()


class DatabaseOnly(Stage):
    """What the commands that change the schema read."""

    database: Database


class Settings(DatabaseOnly):
    """What API and workers read."""

    encryption: Encryption
    api: Api
    internal: Internal = Internal()
    worker: Worker = Worker()
    orders: Orders = Orders()
    approvals: Approvals = Approvals()
    payments: Payments
    carriers: AllCarriers
    jwt: Jwt | None = None
    limits: Limits = Limits()

    @field_validator("jwt")
    @classmethod
    def _keys_of_the_issuer_come_safely(cls, value: Jwt | None, info: ValidationInfo) -> Jwt | None:
        if value is not None and not value.comes_safely and info.data.get("profile") != "local":
            msg = "FULFILLMENT_JWT__JWKS_URL must begin with https (http: this machine, or profile local, only)"
            raise ValueError(msg)
        return value

    @field_validator("payments")
    @classmethod
    def _stripes_key_goes_to_stripe(cls, value: Payments, info: ValidationInfo) -> Payments:
        if value.adapter == "stripe" and value.url != STRIPE and info.data.get("profile") != "local":
            msg = "FULFILLMENT_PAYMENTS__URL must be left out: the secret key is sent there (else: profile local, only)"
            raise ValueError(msg)
        return value
