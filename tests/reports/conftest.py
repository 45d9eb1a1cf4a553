from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, one for all tests; where there is none they are skipped, but not in CI."""
    from tests.reports.browser import MISSING, installed, open_browser

    if not installed():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with open_browser() as one:
        yield one
