"""The table of hostile messages, and of odd ones that must pass, as data: each with the section or the advisory that it
comes from. `table` has them all; the modules beside it are one subject each.

Hosts are those of `fakes.EdgeTestCase` and of `make conformance`, so that only what a case is about is wrong with it.
"""
