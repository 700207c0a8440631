from collections.abc import Iterator

import pytest

from tests.sandbox.running import Receiver, SandboxClient, running_sandbox, settings_for


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    """
    One sandbox for all tests that use new keys and orders and leave `/control` alone.
    """
    with running_sandbox(settings_for(tmp_path_factory.mktemp("sandbox") / "state.db", late_after=1)) as client:
        yield client


@pytest.fixture(scope="session")
def faulty_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("faulty") / "state.db")) as client:
        yield client


@pytest.fixture
def controlled(faulty_sandbox: SandboxClient) -> Iterator[SandboxClient]:
    """
    A sandbox whose `/control` may be changed.
    """
    yield faulty_sandbox
    faulty_sandbox.delete("/control").raise_for_status()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()
