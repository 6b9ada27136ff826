"""Nexus's edge beside other reverse proxies, over one backend, in one run: `make bench`, `python -m benchmarks.edge`.

Each proxy has one worker on a core of its own; clients and the backend have the others. What is counted is the CPU time
that a proxy's processes use for a request (proc(5)), and what their memory grows by. docs/performance.md is made of it.
"""
