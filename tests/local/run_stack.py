"""
What `fulfillment dev --free-ports` does, with stand-ins for the service's own processes.
"""

import asyncio
import sys
from pathlib import Path

from fulfillment.local.errors import StackError
from fulfillment.local.logs import stream_for
from fulfillment.local.stack import LocalStack, StackOptions

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


def main(state: str) -> int:
    options = StackOptions(state=Path(state), free_ports=True, command=STAND_IN, sink=stream_for(sys.stdout))
    try:
        asyncio.run(LocalStack(options).run_until_stopped())
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
