from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest

from tests.stripe.local_stripe import Records, running_localstripe
from tests.stripe.proxy import Proxy, proxy_to
from tests.stripe.stand import Stand, gateway_at

# These cannot even be read without the package; the others skip themselves.
collect_ignore = [] if find_spec("stripe") else ["test_events.py", "test_states.py"]


@pytest.fixture(scope="session")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_localstripe(tmp_path_factory.mktemp("localstripe")) as url:
        yield url


@pytest.fixture
def records(localstripe: str) -> Iterator[Records]:
    """Empty: localstripe gets slow with what it remembers."""
    with Records(localstripe) as records:
        records.forget_everything()
        yield records


@pytest.fixture
async def proxy(localstripe: str) -> AsyncIterator[Proxy]:
    async with proxy_to(localstripe) as proxy:
        yield proxy


@pytest.fixture
async def stand(proxy: Proxy, records: Records) -> AsyncIterator[Stand]:
    async with gateway_at(proxy.url) as gateway:
        yield Stand(gateway, proxy, records)
