"""
Logs: one line per event, JSON for machines, colours on a terminal, the same for our code and for libraries.

What belongs to a unit of work (`request_id`, `order_id`, `workflow_id`, ...) is bound once with
`structlog.contextvars` and appears in every line written while it lasts.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Protocol

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_PRIVATE = re.compile(
    r"(?i)(?:^|[_.\-\s])(?:tokens?|authorization|secrets?|passwords?|e?mail|address|api[_-]?keys?|cookies?|signature)$"
)
# What libraries put into their messages: statement parameters, the values of a violated key, rejected input.
_PRIVATE_TEXT = re.compile(r"(?s)\[parameters: .*|\nDETAIL: .*|input_value=.*?(?=, input_type=)")
_MAX_FRAMES = 20

# Loggers whose `info` is one line per call, or says again what our own lines say.
_QUIET = {
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpcore2": logging.WARNING,
    # Its `debug` has the parameters of each call, tokens of cards among them.
    "stripe": logging.WARNING,
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "temporalio.activity": logging.ERROR,
}


class LogOptions(Protocol):
    """How much is logged (`debug` to `error`), and as what: `json`, `console`, or `auto` (console on a terminal)."""

    @property
    def level(self) -> str: ...

    @property
    def format(self) -> str: ...


def configure(options: LogOptions, process: str) -> None:
    """
    Send everything this process logs to standard error, each line naming the `process`; may be called again.
    """
    as_json = options.format == "json" or (options.format == "auto" and not sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(process),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *shared,
                structlog.stdlib.ExtraAdder(allow=[*_SDK_DETAILS, _CORE]),
                _flatten_sdk_details,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                *_renderers(as_json=as_json),
            ],
        )
    )
    _route_everything_to(handler, options.level)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """
    A structlog processor: replaces values, nested ones too, whose key says that they are secret or personal.
    """
    return {key: REDACTED if _PRIVATE.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: REDACTED if _PRIVATE.search(str(key)) else _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not _is_exc_info(value):
        return [_clean(inner) for inner in value]
    return value


def _is_exc_info(value: list[object] | tuple[object, ...]) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], BaseException)


def _naming(process: str) -> Processor:
    def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add_process


_SDK_DETAILS = {
    "temporal_workflow": ("workflow_id", "run_id", "workflow_type", "attempt", "task_queue"),
    "temporal_activity": ("workflow_id", "workflow_run_id", "activity_type", "attempt", "task_queue"),
}
_CORE = "temporal_log"
# A failed workflow task comes with its whole failure, stack trace and all.
_MAX_CORE_FIELD = 500


def _flatten_sdk_details(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The SDK's own lines get the same names for ids that our lines have."""
    for extra, keys in _SDK_DETAILS.items():
        details = event.pop(extra, None) or {}
        event.update({key: details[key] for key in keys if key in details})
    if (core := event.pop(_CORE, None)) is not None:
        for key, value in core.fields.items():
            event.setdefault(key, str(value)[:_MAX_CORE_FIELD])
    return event


def _renderers(*, as_json: bool) -> list[Processor]:
    if not as_json:
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    transformer = ExceptionDictTransformer(show_locals=False, max_frames=_MAX_FRAMES, use_rich=False)
    return [structlog.processors.ExceptionRenderer(transformer), _clean_messages, structlog.processors.JSONRenderer()]


def _clean_messages(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for stack in event.get("exception", ()):
        stack["exc_value"] = _PRIVATE_TEXT.sub(REDACTED, stack["exc_value"])
    return event


def _route_everything_to(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, minimum in _QUIET.items():
        logging.getLogger(name).setLevel(max(minimum, root.level))
    logging.captureWarnings(capture=True)
