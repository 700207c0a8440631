import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import PACKAGE, ROOT

_VIOLATIONS = {
    "domain/stray.py": "import pydantic\nfrom fulfillment.contracts import naming\n",
    "contracts/stray.py": "import random\n",
    "workflows/stray.py": "from fulfillment.contracts import stray\nimport structlog\n",
    "gateways/stray.py": "from fulfillment.db import engine\n",
    "api/stray.py": "from fulfillment import workflows\nfrom fulfillment import sandbox\n",
    "sandbox/stray.py": "from fulfillment.domain import money\n",
}


def test_every_import_contract_holds() -> None:
    kept, broken, report = _lint(PACKAGE.parent)

    assert not broken, report
    assert len(kept) == 6


def test_every_import_contract_notices_that_it_is_broken(tmp_path: Path) -> None:
    copy = _copied(tmp_path)
    for name, source in _VIOLATIONS.items():
        (copy / name).write_text(source)

    kept, _, report = _lint(tmp_path)

    assert not kept, report


def test_a_new_top_level_module_must_be_given_its_layer(tmp_path: Path) -> None:
    (_copied(tmp_path) / "stray.py").write_text("")

    _, broken, report = _lint(tmp_path)

    assert broken == {"Imports point downwards"}, report


def _copied(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder / "fulfillment", ignore=shutil.ignore_patterns("__pycache__")))


def _lint(source: Path) -> tuple[set[str], set[str], str]:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=source,
        # Before the installed package, so that a copy is what is read.
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)", done.stdout, re.MULTILINE))
    return (
        {name for name, verdict in verdicts.items() if verdict == "KEPT"},
        {name for name, verdict in verdicts.items() if verdict == "BROKEN"},
        done.stdout + done.stderr,
    )
