"""
`fulfillment demo`: a stack of its own, orders from a file, each followed to its end, and the books checked.
"""
