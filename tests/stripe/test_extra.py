"""
Stripe's package is a choice: who did not choose it needs none of it.
"""

import subprocess
import sys

import pytest

_WITHOUT_IT = """
import sys
sys.modules[{module!r}] = None
import asyncio
from tests.stripe.stand import gateway_at
from fulfillment.gateways.stripe_extra import StripeNotInstalled

async def main():
    try:
        async with gateway_at("http://127.0.0.1:9"):
            print("came without it")
    except StripeNotInstalled as error:
        print(error, error.code)

asyncio.run(main())
"""


@pytest.mark.parametrize("module", ["stripe", "httpx"])
def test_who_chooses_stripe_without_the_extra_is_told_what_to_install(module: str) -> None:
    assert _said_by(_WITHOUT_IT.format(module=module)) == (
        "FULFILLMENT_PAYMENTS__ADAPTER is stripe, which needs the extra `stripe`: "
        "pip install 'order-fulfillment[stripe]' 2\n"
    )


def test_nobody_imports_stripe_before_it_is_chosen() -> None:
    modules = "fulfillment.api.app, fulfillment.bootstrap, fulfillment.worker.main"
    assert _said_by(f"import sys, {modules}\nprint('stripe' in sys.modules)") == "False\n"


def _said_by(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
