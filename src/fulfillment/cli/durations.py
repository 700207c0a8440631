"""
Spans and ends of time as people type them: `24h`, `90d`, `2027-01-31`.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

import typer

_SPAN = re.compile(r"([0-9]{1,4})([hd])")


def span(text: str) -> timedelta:
    """
    Hours or days.

    Raises:
        BadParameter: it is neither.
    """
    found = _span(text)
    if found is None:
        msg = "is a number of at most four digits and h or d, like 24h or 90d"
        raise typer.BadParameter(msg)
    return found


def end(text: str) -> datetime:
    """
    So many hours or days from now, or the beginning of a day (UTC).

    Raises:
        BadParameter: it is neither, or not in the future.
    """
    at = moment(text)
    if at <= datetime.now(UTC):
        msg = "must be in the future"
        raise typer.BadParameter(msg)
    return at


def moment(text: str) -> datetime:
    """
    So many hours or days from now, or the beginning of a day (UTC), which may be over.

    Raises:
        BadParameter: it is neither.
    """
    found = _span(text)
    return datetime.now(UTC) + found if found is not None else _day(text)


def _span(text: str) -> timedelta | None:
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    return timedelta(hours=int(match[1])) if match[2] == "h" else timedelta(days=int(match[1]))


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(tzinfo=UTC))
    except ValueError:
        msg = "is like 24h, 90d or 2027-01-31"
        raise typer.BadParameter(msg) from None
