"""How long the playground takes: until the page shows its first picture, and for one picture more.

python bench/playground.py runs/demo [--repeats 9]
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHANGES = """
(selector) => new Promise((done) => {
  const before = document.querySelector(selector + " img").src, start = performance.now();
  const look = () => {
    const image = document.querySelector(selector + " img");
    if (image && image.src !== before && image.complete && image.naturalWidth) done(performance.now() - start);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  document.querySelector("#generate").click();
})
"""


def load(page: Page, url: str) -> float:
    """Seconds until the first picture is there, nothing of the page being cached."""
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_function("document.querySelector('#picture-sample img')?.naturalWidth > 0")
    return time.perf_counter() - started


def draw(page: Page, number: int, count: int) -> float:
    """Seconds from a click to another picture."""
    page.locator("#count input[type=number]").fill(str(count))
    page.locator("#seed input").fill(str(number + 1))
    page.locator("#seed input").press("Tab")
    page.wait_for_timeout(300)
    return float(page.evaluate(CHANGES, "#picture-sample")) / 1000


def told(what: str, measure: Callable[[int], float], repeats: int) -> None:
    """Measures and prints one line of the table."""
    seconds = [measure(number) for number in range(repeats)]
    click.echo(f"{what:28} median {statistics.median(seconds):6.3f} s, slowest {max(seconds):6.3f} s, n = {repeats}")


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--repeats", default=9, show_default=True, help="Measurements of each.")
def main(run: Path, repeats: int) -> None:
    """Prints the table of docs/playground.md."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "cgan_dist", "demo", str(run), "--port", str(port)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        while url not in server.stdout.readline():
            assert server.poll() is None, "the server has ended"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        load(browser.new_context().new_page(), url)
        told("page, empty cache", lambda _: load(browser.new_context().new_page(), url), repeats)
        page = browser.new_page()
        load(page, url)
        for count in (32, 64):
            told(
                f"picture of {count} images",
                lambda number, count=count: draw(page, number + 100 * count, count),
                repeats,
            )  # type: ignore[misc]
        browser.close()
        server.terminate()
    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
