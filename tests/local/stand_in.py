"""
Stands in for the `fulfillment` command: answers the probes of whatever process it is started as, and stops on SIGTERM.
Only the migrations are real.

`FULFILLMENT_STAND_IN` names processes that misbehave: `api=exit` ends at once with code 3, `api=deaf` ignores SIGTERM.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fulfillment.db import migrate
from fulfillment.settings import Settings


class _Probes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def main(arguments: list[str]) -> int:
    role = arguments[0]
    behaviour = dict(pair.split("=") for pair in os.environ.get("FULFILLMENT_STAND_IN", "").split(",") if pair)
    settings = Settings()
    _say({"level": "info", "event": "stand_in_started", "role": role})
    if behaviour.get(role) == "exit":
        sys.stderr.write("it went wrong\n")
        return 3
    if role == "db":
        migrate.upgrade(settings.database.url.get_secret_value())
        return 0
    port = int(os.environ["FULFILLMENT_SANDBOX__PORT"]) if role == "sandbox" else settings.internal.port
    server = ThreadingHTTPServer(("127.0.0.1", port), _Probes)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    if behaviour.get(role) == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.serve_forever(poll_interval=0.05)
    _say({"level": "info", "event": "stand_in_stopped", "role": role})
    return 0


def _say(record: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
