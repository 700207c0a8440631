"""
The sandbox: a simulated payment provider and carrier, reached over HTTP like the real ones.

An independent peer: it imports nothing else of this service, and nothing of the service imports it.
"""

from fulfillment.sandbox.server import run, serve
from fulfillment.sandbox.settings import SandboxSettings

__all__ = ["SandboxSettings", "run", "serve"]
