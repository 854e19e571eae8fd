"""The playground as a person uses it: a real server, and a real browser without a window."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil
import pytest
import torch
from click.testing import CliRunner
from einops import rearrange
from PIL import Image

from cgan_dist.cli import main
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.evaluation.metrics.classifier import Classifier, load_or_train
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, ProductLabels
from cgan_dist.sharing.pretrained import Generator
from tests.conftest import CONFIG, pixels_of, striped_images
from tests.integration.conftest import Cli
from tests.integration.playground_client import answers, asked
from tests.launching import ROOT
from tests.unit.generator_samples import config_of

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
MARKUP = """<img src=x onerror="window.hit=1"><script>window.hit=1</script>'>"""
LINK = "**bold** [link](javascript:window.hit=1) {{hit}} $x$"
START_SECONDS = 300
STILL = [0] * 5
"""No step along any direction."""


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
    with serving(trained) as server:
        yield server


@contextlib.contextmanager
def serving(shown: Path, *options: str) -> Iterator[Served]:
    """Starts a server of a run or model folder."""
    missing = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
    assert not missing, f"{missing}: not installed: pip install 'cgan_dist[playground]' playwright"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cgan_dist", "demo", str(shown), "--port", str(port), *options]
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
        try:
            yield Served(shown, url, server.pid)
        finally:
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
    with opened(served.url) as page:
        yield page


@contextlib.contextmanager
def opened(url: str, password: str | None = None) -> Iterator[Page]:
    """Opens a page in a browser, and waits for its first picture."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM.exists(), f"{CHROMIUM}: not there: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(http_credentials={"username": "anyone", "password": password} if password else None)
        page.set_default_timeout(90_000)
        page.asked = []  # type: ignore[attr-defined]
        page.on("request", lambda request: page.asked.append(request.url))  # type: ignore[attr-defined]
        page.goto(url)
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


def drop(page: Page, path: Path) -> None:
    """Gives a file to the tab, and waits until it is answered."""
    page.locator("#drop input[type=file]").set_input_files(path)


@pytest.mark.browser
def test_a_picture_that_is_dropped_is_found_and_drawn_under_other_labels(
    page: Page, classifier: tuple[Classifier, list[str]], tmp_path: Path
) -> None:
    images = pixels_of(striped_images(30, seed=7))
    (number,) = [number for number, name in enumerate(read(classifier, images)) if name == "columns"][:1]
    Image.fromarray(images[number, :, :, 0]).resize((160, 160), Image.Resampling.NEAREST).save(tmp_path / "own.png")
    choose(page, "label-0", "columns")
    page.get_by_role("tab", name="Your picture").click()
    page.locator("#known input").check()
    drop(page, tmp_path / "own.png")
    page.wait_for_selector("#found img")
    page.wait_for_selector("#picture-edit img")
    assert "of the distance of random samples" in page.locator("#found").inner_text()
    found = offered(page, "edit")
    assert found["labels"].tolist() == [1, 0, 1, 2]
    assert read(classifier, found["images"][:1]) == ["columns"]
    assert np.array_equal(found["images"][0], found["images"][2])
    before = shown(page, "edit")
    choose(page, "label-0", "flat")
    page.locator("#generate-edit").click()
    before = wait_for_another(page, "edit", before)
    edited = offered(page, "edit")
    assert edited["labels"].tolist() == [2, 0, 1, 2]
    assert np.array_equal(edited["images"][1:], found["images"][1:])  # the same z
    assert read(classifier, edited["images"][:1]) == ["flat"]
    page.locator("#directions button").first.click()
    page.locator("#move-0 input[type=range]").press("End")
    page.locator("#generate-edit").click()
    wait_for_another(page, "edit", before)
    assert not np.array_equal(offered(page, "edit")["images"], edited["images"])


@pytest.mark.browser
def test_a_search_ends_when_its_visitor_leaves() -> None:
    script = [sys.executable, "-m", "tests.integration.leaving_page"]
    found = json.loads(subprocess.run(script, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert found["begun"]
    assert found["was_searching"]  # and would be for an hour
    assert found["ended"]


@pytest.mark.browser
def test_what_invert_has_found_is_chosen_and_drawn_under_other_labels(trained: Path, cli: Cli, tmp_path: Path) -> None:
    grid = tmp_path / "pictures"
    grid.mkdir()
    source = striped_images(2, seed=9)
    for number, picture in enumerate(pixels_of(source)):
        Image.fromarray(picture.squeeze()).save(grid / f"{number}.png")
    found = tmp_path / "found"
    inverted = cli("invert", trained, grid, "--steps", 20, "--starts", 1, "--out", found)
    assert inverted.exit_code == 0, inverted.output
    with serving(trained, "--found", str(found / "found.safetensors")) as server, opened(server.url) as page:
        page.get_by_role("tab", name="Your picture").click()
        choose(page, "found-names", "2. 1.png")
        page.wait_for_selector("#found img")
        page.get_by_text("Found by `invert`").wait_for()
        page.wait_for_selector("#picture-edit img")
        assert len(set(offered(page, "edit")["labels"].tolist())) == len(NAMES)


@pytest.mark.browser
def test_what_is_dropped_and_is_no_picture_gets_a_sentence(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Your picture").click()
    (tmp_path / "text.png").write_text(MARKUP)
    Image.new("L", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "huge.png").write_bytes(bytes(100 << 20))
    for name, place, said in (
        ("text.png", "#found .said", "not a picture"),
        ("bomb.png", "#found .said", "megapixels"),
        ("huge.png", "#drop .said", "huge.png: larger than 8 MiB"),
    ):
        drop(page, tmp_path / name)
        page.locator(place).get_by_text(said).wait_for()
    assert not page.locator("#picture-edit img").count()
    assert not page.evaluate("window.hit")
    page.get_by_role("tab", name="One label").click()
    before = shown(page, "sample")
    page.locator("#dice").click()
    wait_for_another(page, "sample", before)  # it goes on


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
def test_the_tab_of_results_shows_scores_neighbours_and_the_film(served: Served, cli: Cli) -> None:
    with opened(served.url) as page:
        page.get_by_role("tab", name="Results").click()
        page.get_by_text("cgan-dist film runs/test --out runs/test/film.gif").wait_for()
        assert page.locator("#neighbours img, #film img").count() == 0
    evaluation = cli("evaluate", served.run, "--count", 300)
    assert evaluation.exit_code == 0, evaluation.output
    assert cli("neighbours", served.run, "--out", served.run / "neighbours.png").exit_code == 0
    assert cli("film", served.run, "--out", served.run / "film.gif").exit_code == 0
    with opened(served.url) as page:
        page.get_by_role("tab", name="Results").click()
        for place, kind in (("neighbours", "png"), ("film", "gif")):
            page.wait_for_selector(f"#{place} img")
            picture = page.request.get(page.locator(f"#{place} img").get_attribute("src") or "")
            assert picture.headers["content-type"] == f"image/{kind}"
        assert re.search(r"label_accuracy\s+(1|0\.9\d+)\s+1", page.locator("#scores").inner_text())
        assert page.get_by_text("None yet").count() == 0


@pytest.mark.browser
def test_nothing_but_the_server_is_asked(page: Page, served: Served) -> None:
    page.get_by_role("tab", name="Training").click()
    page.wait_for_selector("#curves canvas, #curves svg")
    own = (served.url, "data:", "blob:")
    assert [url for url in page.asked if not url.startswith(own)] == []  # type: ignore[attr-defined]


@pytest.mark.browser
def test_names_with_markup_are_text_on_every_tab(trained: Path, tmp_path: Path) -> None:
    config = config_of(kind="product")
    config["labels"] = ProductLabels(
        parts=[
            ClassLabels(names=["ant", MARKUP]),
            AttributeLabels(names=[f"hat{MARKUP}", LINK]),
            ContinuousLabels(names=[f"pose{MARKUP}"], ranges=[(0.0, 1.0)]),
        ]
    ).model_dump()
    model = tmp_path / MARKUP.replace("/", "")
    generator = Generator(config)
    generator.distribution = LabelDistribution.of(torch.tensor([[0.0, 0, 1, 0.5]]))
    generator.save_pretrained(model)
    with serving(model) as server, opened(server.url) as page:
        assert MARKUP.replace("/", "") in page.locator("#heading h1").inner_text()
        choose(page, "label-0", MARKUP)
        page.get_by_text(f"hat{MARKUP}").first.click()
        page.get_by_text(f"pose{MARKUP}").first.wait_for()
        assert page.get_by_text(LINK).count()
        for tab, picture in (("Same z, every label", "every"), ("From A to B", "between")):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_selector(f"#picture-{picture} img")
        choose(page, "other-0", MARKUP)
        assert not page.evaluate("window.hit")
        assert page.locator("img[src='x'], a[href^='javascript']").count() == 0
    run = shutil.copytree(trained, tmp_path / "run")
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"images": 4900, MARKUP: 1.0, LINK: 2.0}) + "\n")
    with (run / "alerts.jsonl").open("a") as file:
        file.write(json.dumps({"images": 4900, "alert": MARKUP, "text": LINK}) + "\n")
    with serving(run) as server, opened(server.url) as page:
        page.get_by_role("tab", name="Training").click()
        page.wait_for_selector("#curves canvas, #curves svg")
        page.locator("#alerts").get_by_text(MARKUP).wait_for()
        page.get_by_label("Curves").click()
        with page.expect_response(lambda answer: "queue/data" in answer.url) as drawn:
            page.get_by_role("option", name=MARKUP, exact=True).click()
        assert drawn.value.ok
        page.get_by_text(MARKUP).first.wait_for()
        assert not page.evaluate("window.hit")
        assert page.locator("img[src='x'], a[href^='javascript']").count() == 0


@pytest.mark.browser
def test_a_browser_that_knows_the_password_draws(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGAN_DIST_DEMO_PASSWORD", "eight letters")
    with serving(trained) as server:
        assert asked(f"{server.url}/")[0] == 401
        with opened(server.url, password="eight letters") as page:
            before = shown(page, "sample")
            page.locator("#dice").click()
            wait_for_another(page, "sample", before)


@pytest.mark.browser
def test_gradio_itself_copies_no_file_of_the_machine() -> None:
    script = [sys.executable, "-m", "tests.integration.ungated_page", "/etc/passwd"]
    answers = json.loads(subprocess.run(script, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert answers["served"] == []
    assert "cannot have this value" in answers["stolen"]
    assert answers["ant"] == "drawn"


@pytest.mark.browser
def test_the_api_refuses_what_is_over_the_bounds(served: Served) -> None:
    assert '"success":true' in answers(served.url, "sample", ["rows", 64, 0, 0, *STILL])
    for values in (["rows", 65, 0, 0], ["rows", 10**6, 0, 0], ["rows", -1, 0, 0], ["roes", 4, 0, 0]):
        text = answers(served.url, "sample", [*values, *STILL])
        assert '"success":false' in text
        assert '"success":true' not in text
    assert '"success":false' in answers(served.url, "every", ["rows", 22, 0, 0, *STILL])
    assert '"success":false' in answers(served.url, "grid", ["../../secret", 0])
    assert '"success":false' in answers(served.url, "curves", [["../config.yaml"]])
    assert '"success":false' in answers(served.url, "sample", ["rows", 4, 0, 0, 3.5, 0, 0, 0, 0])
    assert asked(f"{served.url}/gradio_api/queue/join", b"x" * (12 << 20))[0] == 413


@pytest.mark.browser
def test_no_file_is_served_that_was_not_drawn(served: Served) -> None:
    for path in (served.run / "config.yaml", Path("/etc/passwd"), served.run / "samples" / ".." / "config.yaml"):
        status, text = asked(f"{served.url}/gradio_api/file={path}")
        assert status in (403, 404), text
        assert "latent_dim" not in text
        assert "root:" not in text
    assert asked(f"{served.url}/gradio_api/file=/etc/../etc/passwd")[0] in (403, 404)


@pytest.mark.browser
def test_it_listens_on_its_own_address_only(served: Served) -> None:
    listening = [own.laddr for own in psutil.Process(served.process).net_connections() if own.status == "LISTEN"]
    port = int(served.url.rsplit(":", 1)[1])
    assert [tuple(address) for address in listening] == [("127.0.0.1", port)]
    for address in {"127.0.0.2", *own_addresses()}:
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection((address, port), timeout=2)
    assert asked(served.url, host="evil.example")[0] == 400


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
