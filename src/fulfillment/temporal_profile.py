"""
How to reach Temporal: a profile of `temporal.toml`, overridden by `TEMPORAL_…` variables; nothing else.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from temporalio.envconfig import ClientConfig, ClientConnectConfig

from fulfillment.process import CannotStart

_DEFAULT_FILE = "temporal.toml"


class TemporalConfigurationError(CannotStart):
    """`temporal.toml` or a `TEMPORAL_…` variable cannot be used."""

    code = 2


class TemporalUnreachable(CannotStart):
    """Nobody answers where Temporal should be."""

    def __init__(self, address: str) -> None:
        super().__init__(f"Temporal does not answer at {address}: is it running, and is TEMPORAL_ADDRESS right?")


def load_profile(environment: Mapping[str, str] = os.environ) -> ClientConnectConfig:
    """
    The connection of the profile named by `TEMPORAL_PROFILE` in the file named by `TEMPORAL_CONFIG_FILE`
    (default: `temporal.toml` in the working directory).

    The SDK takes a missing file for an empty one and would quietly connect to localhost; here it is an error.

    Raises:
        TemporalConfigurationError: file or profile missing, or the file has a key Temporal does not know.
    """
    path = Path(environment.get("TEMPORAL_CONFIG_FILE") or _DEFAULT_FILE)
    if not path.is_file():
        msg = f"{path} does not exist: set TEMPORAL_CONFIG_FILE to the file with Temporal's connection profiles"
        raise TemporalConfigurationError(msg)
    profile = _chosen(environment, path)
    try:
        return ClientConfig.load_client_connect_config(
            profile, config_file=str(path), config_file_strict=True, override_env_vars=dict(environment)
        )
    except (RuntimeError, ValueError) as error:
        msg = f"{path}, profile {profile}: {error}"
        raise TemporalConfigurationError(msg) from error


def _chosen(environment: Mapping[str, str], path: Path) -> str:
    try:
        profiles = sorted(tomllib.loads(path.read_text()).get("profile", {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not TOML: {error}"
        raise TemporalConfigurationError(msg) from error
    profile = environment.get("TEMPORAL_PROFILE", "")
    if profile not in profiles:
        msg = f"TEMPORAL_PROFILE is {profile or 'not set'}: {path} has {', '.join(profiles) or 'no profiles'}"
        raise TemporalConfigurationError(msg)
    return profile
