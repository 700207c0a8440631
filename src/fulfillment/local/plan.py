"""
The parts of one local stack, wired together before anything is started.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fulfillment.local import temporal
from fulfillment.local.callers import introduce
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.logs import LogSink, StackLog
from fulfillment.local.ports import HOST, Ports, free_ports
from fulfillment.local.postgres import Postgres
from fulfillment.local.probes import Probe
from fulfillment.local.processes import ProcessSpec, run_once
from fulfillment.local.services import SERVICES, Services, Wiring, inherited
from fulfillment.local.state import load_secrets
from fulfillment.local.supervision import DEATHS_ALLOWED
from fulfillment.local.temporal import Temporal


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """
    What a local stack is started with.

    Attributes:
        state: folder of all its data; kept, so that the next start goes on from there.
        free_ports: choose ports nobody uses instead of the usual ones.
        environment: `FULFILLMENT_…` variables that win over the user's own.
        sink: where the log stream goes; without one the files in `logs/` get everything.
        services: which of the service's processes are started; none means PostgreSQL and Temporal alone.
        command: how the service's own command is called.
        deaths_allowed: of one process within a minute; one more ends the stack.
    """

    state: Path = Path(".local")
    free_ports: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    sink: LogSink | None = None
    services: Sequence[str] = tuple(SERVICES)
    command: Sequence[str] = (sys.executable, "-m", "fulfillment")
    deaths_allowed: int = DEATHS_ALLOWED


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """
    What will run, where, and with which secrets.

    Attributes:
        api_keys: of the callers the API knows, by their names; none before `prepared`.
    """

    database: Postgres
    engine: Temporal
    wiring: Wiring
    services: Services
    wanted: Sequence[str]
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, options: StackOptions, state: Path, probe: Probe) -> "StackPlan":
        """
        Choose ports, load secrets, write the Temporal profile.

        Raises:
            StackError: a usual port is taken, or the secrets are damaged.
        """
        ports = Ports.free() if options.free_ports else Ports()
        ports.check()
        http_port, metrics_port, *internal_ports = free_ports(2 + len(SERVICES), besides=ports.numbers)
        database = Postgres(state / "postgres", inherited())
        engine = Temporal(
            state=state,
            port=ports.temporal,
            ui_port=ports.temporal_ui,
            http_port=http_port,
            metrics_port=metrics_port,
        )
        wiring = Wiring(
            state=state,
            ports=ports,
            internal_ports=dict(zip(SERVICES, internal_ports, strict=True)),
            secrets=load_secrets(state),
            database_dsn=database.dsn,
            temporal_address=engine.address,
            temporal_namespace=temporal.NAMESPACE,
        )
        wiring.write_temporal_config()
        services = Services(command=options.command, wiring=wiring, overrides=options.environment, probe=probe)
        return cls(database=database, engine=engine, wiring=wiring, services=services, wanted=options.services)

    def foundation(self, probe: Probe) -> list[ProcessSpec]:
        """What the service stands on: database, engine and, if it is to run at all, its providers."""
        servers = [self.database.spec(), self.engine.spec(inherited(), probe)]
        return [*servers, self.services.sandbox()] if self.wanted else servers

    async def prepared(self, log: StackLog) -> "StackPlan":
        """
        Bring the running database to the newest schema and make the callers known; the plan with their keys.

        Raises:
            StackError: it cannot be done.
        """
        await run_once(self.services.migrations(), log)
        secrets = self.wiring.secrets
        api_keys = await introduce(self.database.dsn, secrets.api_keys)
        for name in secrets.api_keys.keys() - api_keys.keys():
            log.say("warning", f"the caller {name} was revoked by hand and has no key any more", caller=name)
        replace(secrets, api_keys={**secrets.api_keys, **api_keys}).write(self.wiring.state)
        return replace(self, api_keys=api_keys)

    def service(self) -> list[ProcessSpec]:
        """The service's own processes."""
        return [self.services.service(name) for name in self.wanted]

    def endpoints(self, pids: Mapping[str, int]) -> Endpoints:
        """Where all of it answers."""
        ports = {
            temporal.NAME: self.engine.metrics_port,
            **{name: self.wiring.internal_ports[name] for name in self.wanted},
        }
        return Endpoints(
            api=self.wiring.api_url,
            docs=f"{self.wiring.api_url}/docs",
            temporal=self.engine.address,
            temporal_namespace=temporal.NAMESPACE,
            temporal_ui=f"http://{HOST}:{self.engine.ui_port}",
            sandbox=self.wiring.sandbox_url,
            database_dsn=self.database.dsn,
            metrics={name: f"http://{HOST}:{port}/metrics" for name, port in ports.items()},
            api_keys=self.api_keys,
            carrier_secret=self.wiring.secrets.carrier_secret,
            pids=pids,
        )
