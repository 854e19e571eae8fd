"""The playground as a person uses it: a real server, and a real browser without a window."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil
import pytest
import torch
from click.testing import CliRunner
from einops import rearrange

from cgan_dist.cli import main
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.metrics.classifier import Classifier, load_or_train
from tests.conftest import CONFIG, pixels_of, striped_images
from tests.integration.conftest import Cli
from tests.launching import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
NAMES = ["rows", "columns", "flat"]
OVERRIDES = ["train.batch_size=32", "train.total_images=4800", "generator.args.width=16", "discriminator.args.width=16"]
OVERRIDES += [
    "optim.lr=1e-3",
    "ema.half_life_images=300",
    "sample.interval_images=1600",
    "tracking.interval_images=320",
]
WIDGETS = {
    "classes": ["Class"],
    "attributes": ["Attributes"],
    "continuous": ["pose", "height"],
    "product": ["Class", "Attributes", "pose", "height"],
    "none": [],
}
START_SECONDS = 60


class Served(NamedTuple):
    """A run, the address of its page, and the server's process."""

    run: Path
    url: str
    process: int


@pytest.fixture(scope="module")
def trained(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that obeys its labels, after some seconds of training."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    arguments = ["train", "--config", str(folder / "config.yaml"), *OVERRIDES]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return folder / "runs" / "test"


@pytest.fixture(scope="module")
def served(trained: Path) -> Iterator[Served]:
    missing = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
    assert not missing, f"{missing}: not installed: pip install 'cgan_dist[playground]' playwright"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cgan_dist", "demo", str(trained), "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as server:
        url = f"http://127.0.0.1:{port}"
        lines: list[str] = []
        assert server.stdout is not None
        while not any(url in line for line in lines):
            line = server.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        yield Served(trained, url, server.pid)
        server.terminate()
        assert server.wait(timeout=START_SECONDS) == 0


@pytest.fixture(scope="module")
def classifier() -> tuple[Classifier, list[str]]:
    """Reads stripes; the same that label accuracy is measured with."""
    source = striped_images(600, seed=5)
    space = LABEL_SPACES.build("auto", "", {}, schema=source.schema)
    images = torch.from_numpy(rearrange(pixels_of(source), "n h w c -> n c h w"))
    return load_or_train(images, torch.from_numpy(source.labels), space, Path("/nonexistent"), "none"), NAMES


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    assert CHROMIUM.exists(), f"{CHROMIUM}: not there: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.asked = []  # type: ignore[attr-defined]
        page.on("request", lambda request: page.asked.append(request.url))  # type: ignore[attr-defined]
        page.goto(served.url)
        page.wait_for_selector("#picture-sample img")
        yield page
        browser.close()


def shown(page: Page, name: str) -> bytes:
    """The picture that is on the page."""
    source = page.locator(f"#picture-{name} img").get_attribute("src")
    assert source is not None
    return page.request.get(source).body()


def wait_for_another(page: Page, name: str, than: bytes) -> bytes:
    for _ in range(100):
        if page.locator(f"#picture-{name} img").count() and (now := shown(page, name)) != than:
            return now
        page.wait_for_timeout(50)
    raise AssertionError("the picture did not change")


def offered(page: Page, name: str) -> dict[str, np.ndarray]:
    """What the button for the arrays gives."""
    with page.expect_download() as download:
        page.locator(f"#npz-{name}").click()
    with np.load(io.BytesIO(Path(download.value.path()).read_bytes())) as arrays:
        return dict(arrays)


def read(classifier: tuple[Classifier, list[str]], images: np.ndarray) -> list[str]:
    network, names = classifier
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(rearrange(images, "n h w c -> n c h w")))
    return [names[number] for number in logits.argmax(1).tolist()]


def choose(page: Page, place: str, name: str) -> None:
    page.locator(f"#{place} input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()


def posted(url: str, path: str, data: bytes) -> tuple[int, str]:
    """Status and text."""
    asked = urllib.request.Request(url + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def fetched(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def called(url: str, name: str, values: list[object]) -> str:
    """The event stream with which the API answers."""
    status, text = posted(url, f"/gradio_api/call/{name}", json.dumps({"data": values}).encode())
    assert status == 200, text
    return fetched(f"{url}/gradio_api/call/{name}/{json.loads(text)['event_id']}")[1]


@pytest.mark.browser
def test_the_picture_is_of_the_label_that_was_chosen(page: Page, classifier: tuple[Classifier, list[str]]) -> None:
    before = shown(page, "sample")
    for name in ("flat", "columns", "rows"):
        choose(page, "label-0", name)
        page.locator("#generate").click()
        before = wait_for_another(page, "sample", before)
        arrays = offered(page, "sample")
        assert arrays["labels"].tolist() == [NAMES.index(name)] * 32
        assert read(classifier, arrays["images"]).count(name) >= 30
        with page.expect_download() as download:
            page.locator("#png-sample").click()
        assert Path(download.value.path()).read_bytes() == before


@pytest.mark.browser
def test_same_z_every_label_shows_all_classes(page: Page, classifier: tuple[Classifier, list[str]]) -> None:
    page.get_by_role("tab", name="Same z, every label").click()
    page.wait_for_selector("#picture-every img")
    arrays = offered(page, "every")
    assert arrays["labels"].tolist() == [0, 1, 2] * 4
    assert sum(map(str.__eq__, read(classifier, arrays["images"]), NAMES * 4)) >= 11


@pytest.mark.browser
def test_the_slider_leads_from_one_label_to_the_other(page: Page, classifier: tuple[Classifier, list[str]]) -> None:
    page.get_by_role("tab", name="From A to B").click()
    page.wait_for_selector("#picture-between img")
    before = shown(page, "between")
    found = []
    for key in ("Home", "End"):
        page.locator("#share input[type=range]").press(key)
        before = wait_for_another(page, "between", before)
        found.append(read(classifier, offered(page, "between")["images"]))
    assert found[0].count("rows") >= 30
    assert found[1].count("flat") >= 30


@pytest.mark.browser
def test_every_label_space_has_widgets_of_its_own() -> None:
    script = [sys.executable, "-m", "tests.integration.playground_pages"]
    pages = json.loads(subprocess.run(script, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert {kind: page["label"] for kind, page in pages.items()} == WIDGETS
    assert pages.pop("none")["tabs"] == ["Draw", "Samples"]
    for page in pages.values():  # a model folder has no training to show
        assert page["tabs"] == ["Draw", "One label", "Same z, every label", "From A to B"]


@pytest.mark.browser
def test_another_seed_draws_others(page: Page) -> None:
    before = shown(page, "sample")
    page.locator("#dice").click()
    wait_for_another(page, "sample", before)
    assert page.locator("#seed input").input_value() != "0"


@pytest.mark.browser
def test_the_tab_of_the_training_shows_curves_grids_and_alerts(page: Page, served: Served) -> None:
    page.get_by_role("tab", name="Training").click()
    page.wait_for_selector("#curves canvas, #curves svg")
    page.get_by_text("loss/d").first.wait_for()
    page.wait_for_selector("#grid img")
    last = page.locator("#grid img").get_attribute("src")
    assert "4,800" in page.locator("#drawn").inner_text()
    page.locator("#images-seen input[type=range]").press("Home")
    page.wait_for_function(f"document.querySelector('#grid img').src !== '{last}'")
    assert re.search(r"after 0 images", page.locator("#drawn").inner_text())
    assert "Finished" in page.locator("#alerts").inner_text()
    with (served.run / "alerts.jsonl").open("a") as file:
        file.write('{"images": 4800, "alert": "Hello", "text": "<img src=x>"}\n')
    page.locator("#refresh").click()
    page.get_by_text("<img src=x>").wait_for()  # as text


@pytest.mark.browser
def test_nothing_but_the_server_is_asked(page: Page, served: Served) -> None:
    page.get_by_role("tab", name="Training").click()
    page.wait_for_selector("#curves canvas, #curves svg")
    own = (served.url, "data:", "blob:")
    assert [url for url in page.asked if not url.startswith(own)] == []  # type: ignore[attr-defined]


@pytest.mark.browser
def test_the_api_refuses_what_is_over_the_bounds(served: Served) -> None:
    assert "event: complete" in called(served.url, "sample", ["rows", 64, 0, 0])
    for values in (["rows", 65, 0, 0], ["rows", 10**6, 0, 0], ["rows", -1, 0, 0], ["roes", 4, 0, 0]):
        answer = called(served.url, "sample", values)
        assert "event: error" in answer
        assert "event: complete" not in answer
    assert "event: error" in called(served.url, "every", ["rows", 22, 0, 0])
    assert "event: error" in called(served.url, "grid", ["../../secret", 0])
    assert "event: error" in called(served.url, "curves", [["../config.yaml"]])
    assert posted(served.url, "/gradio_api/queue/join", b"x" * 70_000)[0] == 413
    assert posted(served.url, "/gradio_api/upload", b"x")[0] == 403
    assert posted(served.url, "/gradio_api/run/sample", b'{"data": ["rows", 4, 0, 0]}')[0] == 403


@pytest.mark.browser
def test_no_file_is_served_that_was_not_drawn(served: Served) -> None:
    for path in (served.run / "config.yaml", Path("/etc/passwd"), served.run / "samples" / ".." / "config.yaml"):
        status, text = fetched(f"{served.url}/gradio_api/file={path}")
        assert status in (403, 404), text
        assert "latent_dim" not in text
        assert "root:" not in text
    assert fetched(f"{served.url}/gradio_api/file=/etc/../etc/passwd")[0] in (403, 404)


@pytest.mark.browser
def test_it_listens_on_its_own_address_only(served: Served) -> None:
    listening = [own.laddr for own in psutil.Process(served.process).net_connections() if own.status == "LISTEN"]
    port = int(served.url.rsplit(":", 1)[1])
    assert [tuple(address) for address in listening] == [("127.0.0.1", port)]
    for address in {"127.0.0.2", *own_addresses()}:
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection((address, port), timeout=2)
    assert fetched(served.url, host="evil.example")[0] == 400


@pytest.mark.browser
def test_a_second_server_on_the_port_is_told_of_a_free_one(served: Served, cli: Cli) -> None:
    port = served.url.rsplit(":", 1)[1]
    result = cli("demo", served.run, "--port", port)
    assert result.exit_code == 2
    assert re.search(rf"--port {port}: taken.*Port \d+ is free", result.output)


def own_addresses() -> list[str]:
    """IPv4 addresses of this machine that others could reach."""
    found = [address.address for own in psutil.net_if_addrs().values() for address in own if address.family == 2]
    return [address for address in found if not address.startswith("127.")]
