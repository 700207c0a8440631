"""
The service's own processes on a laptop: what each is started with.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fulfillment.local.policies import LOCAL_POLICY, POLICY_VARIABLE
from fulfillment.local.ports import HOST, Ports
from fulfillment.local.probes import Probe
from fulfillment.local.processes import ProcessSpec
from fulfillment.local.state import Secrets

MIGRATIONS = "migrations"
SANDBOX = "sandbox"
# Process name -> `fulfillment` arguments; each of these serves its probes and metrics on a port of its own.
SERVICES: Mapping[str, Sequence[str]] = {
    "api": ("api",),
    "worker-orders": ("worker", "orders", "approvals"),
    "worker-providers": ("worker", "payments", "shipping"),
}

# Sensible on a laptop; a variable of the user's own wins.
_DEFAULTS = {
    "FULFILLMENT_ENCRYPTION__PAYLOADS": "false",
    "FULFILLMENT_SANDBOX__TRANSIT": "5",
    "FULFILLMENT_LOG__FORMAT": "json",
    "FULFILLMENT_LIMITS__RATE": "off",
    POLICY_VARIABLE: LOCAL_POLICY,
    # Here a provider fails for single cards and addresses on purpose: that is to hold no other order up.
    "FULFILLMENT_WORKER__CIRCUIT_PAUSE": "0",
    # Below the grace time after which we would kill it.
    "FULFILLMENT_WORKER__DRAIN": "PT25S",
}
# Variables that would send our processes somewhere else than to the stack's own servers.
_FOREIGN = ("PG", "TEMPORAL_", "FULFILLMENT_PAYMENTS__STRIPE__")


def inherited(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every process gets from the user's environment."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (environment.get(name), HOST, "localhost")))
    return {**kept, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """How the processes of one stack find and trust each other; no variable of the user's overrules it."""

    state: Path
    ports: Ports
    internal_ports: Mapping[str, int]
    secrets: Secrets
    database_dsn: str
    temporal_address: str
    temporal_namespace: str

    @property
    def api_url(self) -> str:
        """The API as callers see it."""
        return f"http://{HOST}:{self.ports.api}"

    @property
    def sandbox_url(self) -> str:
        """The simulated payment provider and carrier."""
        return f"http://{HOST}:{self.ports.sandbox}"

    def environment(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """What every process of ours is configured with, except for the port of its own."""
        prefixed = {
            "PROFILE": "local",
            "DATABASE__URL": self.database_dsn,
            "ENCRYPTION__KEYS": self.secrets.encryption_keys,
            "API__HOST": HOST,
            "API__PORT": str(self.ports.api),
            "API__PUBLIC_URL": self.api_url,
            "API__FINGERPRINT_KEYS": self.secrets.fingerprint_keys,
            "INTERNAL__HOST": HOST,
            "PAYMENTS__URL": self.sandbox_url,
            "PAYMENTS__NAME": "sandbox",
            "PAYMENTS__ADAPTER": "http",
            # The sandbox signs all it tells with one secret.
            "PAYMENTS__WEBHOOK_SECRET": self.secrets.carrier_secret,
            "CARRIERS__URL": self.sandbox_url,
            "CARRIERS__NAME": "sandbox",
            "CARRIERS__WEBHOOK_SECRET": self.secrets.carrier_secret,
            "SANDBOX__HOST": HOST,
            "SANDBOX__PORT": str(self.ports.sandbox),
            "SANDBOX__STATE": str(self.state / "sandbox.db"),
            "SANDBOX__EVENTS_URL": f"{self.api_url}/v1/carriers/sandbox/events",
            "SANDBOX__PAYMENT_EVENTS_URL": f"{self.api_url}/v1/payment-providers/sandbox/events",
            "SANDBOX__CARRIER_SECRET": self.secrets.carrier_secret,
        }
        temporal = {
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": self.temporal_namespace,
            "TEMPORAL_PROFILE": "local",
            "TEMPORAL_CONFIG_FILE": str(self.state / "temporal.toml"),
        }
        wired = {f"FULFILLMENT_{name}": value for name, value in prefixed.items()}
        return {**_DEFAULTS, **inherited(), **overrides, **wired, **temporal}

    def write_temporal_config(self) -> None:
        """The profile our processes connect with, also of use to the `temporal` command."""
        text = f'[profile.local]\naddress = "{self.temporal_address}"\nnamespace = "{self.temporal_namespace}"\n'
        (self.state / "temporal.toml").write_text(text)


@dataclass(frozen=True, kw_only=True)
class Services:
    """The processes started by our own command."""

    command: Sequence[str]
    wiring: Wiring
    overrides: Mapping[str, str]
    probe: Probe

    def migrations(self) -> ProcessSpec:
        """Brings the database to the newest schema, then ends."""
        return self._spec(MIGRATIONS, ("db", "upgrade"))

    def sandbox(self) -> ProcessSpec:
        """The simulated outside world."""
        return self._spec(SANDBOX, ("sandbox",), health=f"{self.wiring.sandbox_url}/health")

    def service(self, name: str) -> ProcessSpec:
        """One of `SERVICES`."""
        port = self.wiring.internal_ports[name]
        return self._spec(name, SERVICES[name], internal_port=port, health=f"http://{HOST}:{port}/readyz")

    def _spec(self, name: str, arguments: Sequence[str], *, internal_port: int = 0, health: str = "") -> ProcessSpec:
        async def ready() -> None:
            if health:
                await self.probe(health)

        environment = self.wiring.environment(self.overrides)
        return ProcessSpec(
            name=name,
            command=[*self.command, *arguments],
            environment={**environment, "FULFILLMENT_INTERNAL__PORT": str(internal_port)},
            ready=ready,
            grace=timedelta(seconds=30),
            stop_signal=signal.SIGTERM,
        )
