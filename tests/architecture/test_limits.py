import statistics
from pathlib import Path

from tests.architecture.sources import PACKAGE, ROOT, Function, functions, modules

_FILE_LINES = 400
# A workflow file is run again for every workflow: less to import, and `run` stays a table of contents.
_WORKFLOW_FILE_LINES = 250
_FUNCTION_LINES = 50
_MEDIAN_FUNCTION_LINES = 10
# What Alembic writes down is a list of statements, as long as the schema is wide.
_MIGRATIONS = PACKAGE / "db" / "migrations" / "versions"


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    too_long = {
        _name(path): lines
        for path in _written_by_hand()
        if (lines := len(path.read_text().splitlines())) > _limit(path)
    }

    assert not too_long


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{_name(path)}:{function.lineno} {function.name}": _length(function)
        for path in _written_by_hand()
        for function in functions(path)
        if _length(function) > _FUNCTION_LINES
    }

    assert not too_long


def test_most_functions_do_one_thing() -> None:
    lengths = [_length(function) for path in modules(PACKAGE) for function in functions(path)]

    assert statistics.median(lengths) <= _MEDIAN_FUNCTION_LINES


def _written_by_hand() -> list[Path]:
    return [path for path in modules(PACKAGE, ROOT / "tests") if not path.is_relative_to(_MIGRATIONS)]


def _limit(path: Path) -> int:
    return _WORKFLOW_FILE_LINES if path.is_relative_to(PACKAGE / "workflows") else _FILE_LINES


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
