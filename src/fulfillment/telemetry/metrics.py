"""
Metrics: the collectors several parts of the service share, and the Temporal SDK's own exporter.
"""

import logging
import socket
from collections.abc import Mapping

from prometheus_client import Counter, Gauge
from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

EVENT_LOOP_LAG = Gauge("fulfillment_event_loop_lag_seconds", "How late the event loop woke up the last time.")
ACTIVITY_ERRORS = Counter(
    "fulfillment_activity_errors",
    "Failed attempts of activities; code `bug` is for the developers.",
    ["activity", "code"],
)
CARRIER_EVENTS = Counter("fulfillment_carrier_events", "Carrier events taken in, repeats not counted.", ["type"])
PAYMENT_EVENTS = Counter(
    "fulfillment_payment_events", "Events of payment providers taken in, repeats not counted.", ["type"]
)
INBOX_SIGNALS = Counter(
    "fulfillment_inbox_signals", "What became of telling a workflow about an event in the inbox.", ["outcome"]
)
PROVIDER_CIRCUIT_OPEN = Gauge(
    "fulfillment_provider_circuit_open",
    "1 while a provider keeps failing and is asked by one attempt per pause only.",
    ["queue", "provider"],
)

_LOOPBACK = "127.0.0.1"
_ATTEMPTS = 5
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# The SDK applies an entry to every histogram whose name *contains* the key: no key may be part of another's match.
HISTOGRAM_BUCKETS: Mapping[str, tuple[float, ...]] = {
    "schedule_to_start_latency": (*_SECONDS, 300, 3600),
    "execution_latency": _SECONDS,
    "replay_latency": _SECONDS,
    "succeed_endtoend_latency": (*_SECONDS, 300, 3600, 21600, 86400),
    "workflow_endtoend_latency": (0.1, 0.5, 1, 5, 30, 60, 300, 3600, 21600, 86400, 259200, 604800, 2592000),
    "request_latency": (*_SECONDS, 90),
}


def sdk_runtime(process: str) -> tuple[Runtime, str]:
    """
    The Temporal runtime of this process and the loopback address its metrics are served at.

    A process makes one, before its first client. Core's warnings go to the standard logger `temporalio`.
    """
    _keep_ids_out_of_messages()
    for attempt in range(1, _ATTEMPTS + 1):
        address = f"{_LOOPBACK}:{_free_port()}"
        try:
            return Runtime(telemetry=_telemetry(process, address)), f"http://{address}/metrics"
        except ValueError:
            # Somebody took the port between our look and the SDK's.
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError


def _telemetry(process: str, address: str) -> TelemetryConfig:
    return TelemetryConfig(
        logging=LoggingConfig(
            filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
            forwarding=LogForwardingConfig(
                logger=logging.getLogger("temporalio"),
                append_target_to_name=False,
                prepend_target_on_message=False,
                append_log_fields_to_message=False,
            ),
        ),
        metrics=PrometheusConfig(
            bind_address=address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides=HISTOGRAM_BUCKETS,
        ),
        global_tags={"process": process},
    )


def _keep_ids_out_of_messages() -> None:
    """Ids are fields of a log line; the SDK would print them a second time inside its text."""
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
