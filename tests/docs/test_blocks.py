"""
The runner of documents sees what is wrong with one.
"""

from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of, broken_promises
from tests.docs.running import lay_out, wrong_in

DOCUMENT = """
```sh
one() { echo "first $1"; }
```

Prose between a block and what it prints.

```text
first …
```

<!-- not run: starts the stack -->
```sh
make up
```

```text
is compared with nothing
```

```sh
one more
```
"""


async def mistakes(folder: Path, *blocks: Block, seconds: float = 20) -> list[str]:
    found = await wrong_in(blocks, lay_out(folder), {}, seconds)
    return [mistake.splitlines()[0] for mistake in found]


def test_a_block_has_its_line_its_promise_and_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(DOCUMENT)

    assert blocks_of(tmp_path / "page.md") == [
        Block(3, 'one() { echo "first $1"; }\n', ("first …",)),
        Block(22, "one more\n"),
    ]


async def test_functions_and_variables_carry_over_to_the_next_block(tmp_path: Path) -> None:
    assert await mistakes(tmp_path, Block(1, "say() { echo $X; }\nX=1\n"), Block(2, "say\n", ("1",))) == []


async def test_a_command_that_fails_ends_the_document_and_names_its_line(tmp_path: Path) -> None:
    found = await mistakes(tmp_path, Block(1, "true\n"), Block(2, "false | cat\n"), Block(3, "echo on\n"))

    assert found == ["line 2: ended with 1"]


async def test_a_block_that_never_ends_is_ended_and_named(tmp_path: Path) -> None:
    assert await mistakes(tmp_path, Block(1, "true\n"), Block(2, "sleep 60\n"), seconds=0.5) == [
        "line 2: ended with -9"
    ]


OUTPUT = "a  b c\n{\n}\nlast\n"


@pytest.mark.parametrize("promised", [("… c",), ("a   b c",), ("a b c", "{", "}", "…"), ()], ids=str)
def test_a_promise_that_is_kept_is_no_mistake(promised: tuple[str, ...]) -> None:
    assert broken_promises(Block(1, "", promised), OUTPUT) == []


@pytest.mark.parametrize("promised", [("last", "{"), ("a b",), ("{…}",), ("else",)], ids=str)
def test_a_line_that_was_not_printed_or_not_in_this_order_is_seen(promised: tuple[str, ...]) -> None:
    assert broken_promises(Block(1, "", promised), OUTPUT) == [
        f"not in the output, or not in this order: {promised[-1]}"
    ]


@pytest.mark.parametrize(
    "output", ['{"type": "http://127.0.0.1:8000/problems/not_found", "code": "not_found"}', '{"code":"not_found"}']
)
def test_a_refusal_must_be_announced(output: str) -> None:
    assert broken_promises(Block(1, ""), output) == ["refused, and the document does not say so: not_found"]
    assert broken_promises(Block(1, "", ('{…"not_found"…}',)), output) == []
