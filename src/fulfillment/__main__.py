"""`python -m fulfillment`."""

from fulfillment.cli import main

main()
