"""
Order fulfilment on Temporal.

Kept empty of effects: the workflow sandbox imports this module again for every workflow.
"""

__version__ = "0.1.0"
