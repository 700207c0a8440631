"""
localstripe in a process of its own, and what stands in its records. It is GPL: started, never imported.
"""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest

AUTHORIZATION = {"Authorization": "Bearer sk_test_12345"}
# Nothing here speaks TLS, and reading all certificates for each client takes longer than a test.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CARDS = {
    "good": "4242424242424242",
    "declined": "4000000000000341",
    "asks the customer": "4000002500003155",
    "asks the customer, then declined": "4000008260003178",
}


@contextmanager
def running_localstripe(folder: Path) -> Iterator[str]:
    """
    The address of a localstripe with empty records, on a port of its own choice; stopped at the end of the block.

    It writes its records to a file it does not let anybody choose, and reads it only without `--from-scratch`.
    """
    if find_spec("stripe") is None or find_spec("localstripe") is None:
        pytest.skip("needs stripe and localstripe: uv sync --group stripe")
    log = folder / "localstripe.log"
    command = [sys.executable, "-u", "-m", "localstripe", "--from-scratch", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=output)
    try:
        yield f"http://127.0.0.1:{_port(process)}"
    finally:
        # It has nothing to bring to an end, and would wait for connections.
        process.kill()
        process.communicate()


def _port(process: "subprocess.Popen[bytes]") -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rb"Running on http://\S+:(\d+)", line):
            return int(found[1])
    raise AssertionError("localstripe did not start; its log is in the folder it was started in")


class Records(httpx2.Client):
    """
    What localstripe did, asked directly: neither our gateway nor the proxy has a say in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, headers=AUTHORIZATION, verify=NO_TLS)

    def forget_everything(self) -> None:
        self.delete("/_config/data")

    def card(self, kind: str = "good", decline_code: str | None = None) -> str:
        """A payment method a browser has made; the proxy declines it for the reason that is noted on it."""
        form = {
            "type": "card",
            "card[number]": CARDS[kind],
            "card[exp_month]": "12",
            "card[exp_year]": "2030",
            "card[cvc]": "123",
        }
        if decline_code:
            form["metadata[decline_code]"] = decline_code
        return str(self.made("/v1/payment_methods", form)["id"])

    def customer_acts(self, payment: str, *, success: bool) -> None:
        """What the bank asked for is done, or failed."""
        secret = self.get(f"/v1/payment_intents/{payment}").json()["client_secret"]
        form = {"client_secret": secret, "success": str(success).lower()}
        self.post(f"/v1/payment_intents/{payment}/_authenticate", data=form)

    def made(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        answer = self.post(path, data=form)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def payments(self, order_id: object) -> list[dict[str, Any]]:
        """All payment intents of an order."""
        return [one for one in self._all("payment_intents") if one["metadata"].get("order_id") == str(order_id)]

    def effects(self, order_id: object) -> list[str]:
        """Everything that happened to the customer's money, in words."""
        payments = {one["id"]: one["status"] for one in self.payments(order_id)}
        charges = {one["id"]: one for one in self._all("charges") if one["payment_intent"] in payments}
        told = []
        for charge in charges.values():
            state = "captured" if charge["captured"] else charge["status"]
            if payments[charge["payment_intent"]] == "canceled" and state != "failed":
                state = "released"
            told.append(f"{state} {charge['amount']} {charge['currency']}")
        refunds = [one for one in self._all("refunds") if one["charge"] in charges and one["payment_intent"]]
        return told + [f"refunded {one['amount']} {one['currency']}" for one in refunds]

    def _all(self, things: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/{things}", params={"limit": 100_000}).json()["data"]
        return found
