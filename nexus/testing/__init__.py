"""Verified fakes, shipped as public, documented help for tests."""
