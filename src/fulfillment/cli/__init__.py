"""
The command `fulfillment`.
"""

from fulfillment.cli.app import main

__all__ = ["main"]
