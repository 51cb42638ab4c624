"""The page of a run, as a browser shows it: complete in itself, light and dark, wide and narrow."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastconv.bench.html import digits, duration, write_html
from fastconv.bench.plots import FIGURES
from fastconv.bench.problems import LAYERS
from fastconv.bench.report import Report

from . import synthetic_reports

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def report() -> Report:
    """A run with all that can be said about one."""
    return synthetic_reports.eventful()


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(report, path)
    return path


def test_text(report: Report, page: Path) -> None:
    """Every layer and every version is there, strange text is escaped, and nothing is fetched."""
    text = page.read_text(encoding="utf-8")
    visible = unescape(text)
    assert [name for name, problem in LAYERS.items() if f"{name} <code>{problem}" not in visible] == []
    assert all(version in text for version in report.libraries.values() if "&" not in version)
    assert "0.3 &lt;where&gt; 1e-4" in text
    assert "Cython &amp; setuptools" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert re.findall(r"url\((?!#)", text) == []
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_numbers() -> None:
    assert [duration(seconds) for seconds in (75.0, 0.00123, 4.5e-5)] == ["75.0 s", "1.23 ms", "45.0 µs"]
    assert [digits(value) for value in (1234.5, 12.34, 1.234)] == ["1234", "12.3", "1.23"]
    assert digits(float("nan")) == "\N{EN DASH}"


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    with pytest.MonkeyPatch.context() as patch:
        # Selenium shall neither look for another driver nor report that it was used.
        patch.setenv("SE_AVOID_STATS", "true")
        patch.setenv("SE_OFFLINE", "true")
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()


def show(browser: Any, page: Path, width: int = 1280, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())


def test_nothing_is_requested_and_nothing_complained_of(browser: Any, page: Path) -> None:
    browser.get("about:blank")  # instead of Chromium's own first page, which has many files
    browser.get_log("performance")
    show(browser, page)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert page.as_uri() in urls
    assert [url for url in urls if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("opened", [False, True])
def test_it_fits(browser: Any, page: Path, width: int, opened: bool) -> None:
    """The page never scrolls sideways; figures and wide tables do so by themselves where it is narrow."""
    show(browser, page, width)
    browser.execute_script(
        "for (const e of document.querySelectorAll('details')) e.open = arguments[0]", opened
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(e => [e.clientWidth, e.clientHeight])"
    )
    assert len(boxes) == len(FIGURES)
    assert all(min(box) > 100 for box in boxes)


def test_the_figures_letters_are_text(browser: Any, page: Path) -> None:
    show(browser, page)
    texts = browser.execute_script(
        "return [...document.querySelectorAll('svg text')].map(e => e.textContent)"
    )
    assert set(LAYERS) <= set(texts)


def test_light_and_dark(browser: Any, page: Path) -> None:
    """The background of the page and of the figures, and the figures' letters, change with the scheme."""
    script = """
        const style = selector => getComputedStyle(document.querySelector(selector));
        return [style('body').backgroundColor, style('figure svg path').fill, style('figure svg text').fill]
    """
    found = {}
    for scheme in ("light", "dark"):
        show(browser, page, scheme=scheme)
        found[scheme] = browser.execute_script(script)
    for light, dark in zip(found["light"], found["dark"], strict=True):
        assert light != dark
    assert found["dark"][0] == found["dark"][1]


def test_the_least_report(browser: Any, tmp_path: Path) -> None:
    """One layer, two libraries, one part."""
    path = tmp_path / "least.html"
    write_html(synthetic_reports.minimal(), path)
    show(browser, path, 400)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.querySelectorAll('figure').length") == 4
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
