"""Fixtures shared by all tests, and how generated cases are chosen."""

import os

from hypothesis import settings

pytest_plugins = ["tests.stack_fixtures"]

# A loaded machine is no failure. In CI the same cases every time; elsewhere new ones are tried.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
