"""The address, the password, and what is shown, without Gradio."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from cgan_dist.directions.directions_file import DirectionFacts, write_directions
from cgan_dist.directions.factorization import factorized, first_layers
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.playground import server
from cgan_dist.playground.server import PASSWORD, chosen_password, is_loopback, listening
from cgan_dist.playground.subject import open_subject
from tests.unit.generator_samples import generator_of


def test_a_taken_port_is_told_with_a_free_one() -> None:
    with listening("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port {taken}: taken.* Port \d+ is free") as error:
            listening("127.0.0.1", taken)
    free = int(str(error.value).split("Port ")[1].split()[0])
    assert free != taken
    listening("127.0.0.1", free).close()


def test_a_socket_listens_on_its_own_address_only() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_foreign_address_is_an_error_for_a_person() -> None:
    with pytest.raises(UserError, match="cannot listen there"):
        listening("192.0.2.1", 7860)


def test_which_hosts_are_this_machine_alone() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "192.168.1.7", "gpu-box")] == [False] * 3


def test_a_page_for_others_has_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    assert chosen_password("127.0.0.1") is None
    made = [chosen_password("0.0.0.0") for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(password or "") == 16 for password in made)
    monkeypatch.setenv(PASSWORD, "my own one")
    assert [chosen_password(host) for host in ("127.0.0.1", "0.0.0.0")] == ["my own one"] * 2
    for short in ("", "secret"):
        monkeypatch.setenv(PASSWORD, short)
        with pytest.raises(UserError, match=f"{PASSWORD}: found {len(short)} characters; expected 8 or more"):
            chosen_password("0.0.0.0")


def test_missing_gradio_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'cgan_dist\[playground\]'"):
        server.check_installed()


def test_a_model_folder_draws_and_has_no_progress(tmp_path: Path) -> None:
    generator_of().save_pretrained(tmp_path / "ants")
    subject = open_subject(tmp_path / "ants", torch.device("cpu"))
    assert (subject.name, subject.progress) == ("ants", None)
    assert subject.studio.one_label(["bee"], 3, 0, 0).images.shape == (3, 13, 14, 1)


def test_directions_are_those_of_the_weights_or_of_a_file(tmp_path: Path) -> None:
    generator = generator_of()
    generator.save_pretrained(tmp_path / "ants")
    subject = open_subject(tmp_path / "ants", torch.device("cpu"))
    own = factorized(first_layers(generator), 5)
    assert subject.studio.moves == own.names
    assert subject.studio.directions is not None
    assert torch.equal(subject.studio.directions.vectors, own.vectors)
    assert subject.finder is not None
    assert subject.finder.shape == (1, 13, 14)

    facts = DirectionFacts(
        names=["more wings"], checkpoint="x", checkpoint_sha256="ab" * 32, images_seen=1, latent="normal", latent_dim=6,
        made_with={},
    )  # fmt: skip
    file = tmp_path / "directions.safetensors"
    given = Directions(names=["more wings"], vectors=torch.eye(6)[:1], strengths=torch.ones(1))
    write_directions(given, facts, file)
    assert open_subject(tmp_path / "ants", torch.device("cpu"), directions=file).studio.moves == ["more wings"]
    write_directions(given, facts.model_copy(update={"latent": "uniform"}), file)
    with pytest.raises(UserError, match=f"^--directions {file}: its z have 6 entries, uniform"):
        open_subject(tmp_path / "ants", torch.device("cpu"), directions=file)


def test_what_is_no_generator_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        open_subject(tmp_path / "nothing", torch.device("cpu"))
