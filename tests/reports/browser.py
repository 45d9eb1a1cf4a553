"""A headless Chromium that keeps what a page asked of the network and what it complained about."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromedriver")
MISSING = f"no {' and '.join(PROGRAMS)} to test pages with; on Debian: apt-get install chromium chromium-driver"
LOCAL = ("file:", "data:", "blob:", "about:")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
)
_READY = "return Boolean(window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle)"
_PLACES = """
    return [...Bokeh.documents[0].all_models].filter((one) => one.type == "Figure").map((one) => {
        const {left, top} = Bokeh.index.find_one_by_id(one.id)?.el.getBoundingClientRect() ?? {}
        return [left, top, one.inner_width, one.inner_height]
    })
"""


def installed() -> bool:
    return all(shutil.which(name) for name in PROGRAMS)


@dataclass(frozen=True)
class Browser:
    """One window; a page is opened from disk."""

    driver: Any

    def open(self, page: Path, *, width: int = 1000, height: int = 900) -> None:
        """Show a page and wait until it is drawn and at rest; what was logged before is forgotten."""
        self.driver.set_window_size(width, height)
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(page.resolve().as_uri())
        self.wait(_READY)
        self.settle()

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, ``model(name)`` being the Bokeh model of that name."""
        return self.driver.execute_script(
            f"const model = (name) => Bokeh.documents[0].get_model_by_name(name);{script}", *arguments
        )

    def wait(self, script: str, *arguments: Any, seconds: float = 10) -> Any:
        """Wait until a script returns something true; return that."""
        return WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(lambda _: self.run(script, *arguments))

    def settle(self) -> None:
        """Wait until no figure changes its place or size any more."""
        before, same = None, 0
        while same < 3:
            now = self.run(_PLACES)
            before, same = now, same + 1 if now == before else 0
            time.sleep(0.05)

    def point(self, name: str, x: float, y: float, *, click: bool = False) -> None:
        """Move the mouse to a place of the figure of that name, in its own units, and perhaps click."""
        self.wait("return Boolean(Bokeh.index.find_one_by_id(model(arguments[0]).id))", name)
        where = """
            const view = Bokeh.index.find_one_by_id(model(arguments[0]).id)
            const x = view.frame.x_scale.compute(arguments[1]), y = view.frame.y_scale.compute(arguments[2])
            const box = () => view.canvas_view.el.getBoundingClientRect()
            window.scrollBy(0, box().top + y - window.innerHeight / 2)
            return [box().left + x, box().top + y]
        """
        at = [round(value) for value in self.run(where, name, x, y)]
        actions = ActionChains(self.driver, duration=50)
        actions.w3c_actions.pointer_action.move_to_location(*at)
        if click:
            actions.w3c_actions.pointer_action.click()
        actions.perform()

    def requests(self) -> list[str]:
        """Addresses outside this machine that the page asked for since it was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(LOCAL)]

    def complaints(self) -> list[str]:
        """What the page wrote to the console since it was opened, remarks without weight left out."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser with a fresh profile; the programs are those installed, nothing is fetched."""
    with TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = str(shutil.which(PROGRAMS[0]))
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options, Service(shutil.which(PROGRAMS[1])))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
