"""Serves the page on one address, without a network."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import ipaddress
import os
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cgan_dist.errors import UserError
from cgan_dist.playground.exchange import HeardOut
from cgan_dist.playground.gate import Gate
from cgan_dist.playground.served_folder import served_folder
from cgan_dist.playground.subject import Subject, open_subject
from cgan_dist.playground.visitors import Visitors

LOCAL = ("127.0.0.1", "localhost")
PORTS_TRIED = 50
BACKLOG = 128
PASSWORD = "CGAN_DIST_DEMO_PASSWORD"
"""In the environment, which other users of a machine do not see, as they do a command line."""
MIN_PASSWORD = 8
CSS = Path(__file__).with_name("page.css")
FONTS = ["system-ui", "sans-serif"]
MONOSPACED = ["ui-monospace", "monospace"]


def serve(
    path: Path,
    host: str,
    port: int,
    device: torch.device,
    ready: Callable[[Subject, str | None], None],
    trust_code: bool = False,
    autoencoder: Path | None = None,
    directions: Path | None = None,
    found: Path | None = None,
) -> None:
    """Serves until it is interrupted.

    Args:
        path: run folder, checkpoint or model folder.
        host: name or IPv4 address of this machine to listen on.
        port: to listen on.
        device: of the generator.
        ready: called once connections are accepted, with a password that was made for this server, null if none was.
        trust_code: import the plug-ins that a stranger's run or model names.
        autoencoder: folder of the one that decodes a run's latents; null takes the config's, of a trusted one.
        directions: file of those to move z along; null takes the generator's own.
        found: file of pictures that `invert` has found.

    Raises:
        UserError: if Gradio is not installed, the address cannot be listened on, there is no generator, or the password
            in the environment is too short.
    """
    check_installed()
    password = chosen_password(host)
    with listening(host, port) as listener, served_folder() as files:
        subject = open_subject(path, device, trust_code, autoencoder, directions, found)
        app = build_app(subject, host, files, password)
        ready(subject, password if PASSWORD not in os.environ else None)
        _run(app, listener)


def chosen_password(host: str) -> str | None:
    """The password that the environment gives; else a new one where other machines reach the page, and none elsewhere.

    Raises:
        UserError: if that of the environment is too short.
    """
    given = os.environ.get(PASSWORD)
    if given is None:
        return None if is_loopback(host) else secrets.token_urlsafe(12)
    if len(given) < MIN_PASSWORD:
        raise UserError(
            f"{PASSWORD}: found {len(given)} characters; expected {MIN_PASSWORD} or more. Where it is not set, "
            "`cgan-dist demo` makes a password if the page can be reached from other machines."
        )
    return given


def check_installed() -> None:
    """Raises UserError if Gradio is not there."""
    if importlib.util.find_spec("gradio") is None:
        raise UserError("demo: gradio is not installed: pip install 'cgan_dist[playground]'.")


def listening(host: str, port: int) -> socket.socket:
    """Opens a socket that accepts connections.

    Raises:
        UserError: naming a free port if this one is taken, or saying why it cannot be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"--port {port}: taken by another program. Port {_free_port(host, port)} is free."
            ) from error
        reason = error.strerror or str(error)
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({reason}); expected an IPv4 address or a name of this "
            "machine, and a port above 1023."
        ) from error
    return listener


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def build_app(subject: Subject, host: str, files: Path, password: str | None = None) -> Any:
    """Builds the web application (ASGI) of a page.

    Args:
        subject: that is shown.
        host: that is listened on; where it is this machine's own, requests for another name are refused, because a
            page on the web could otherwise have its name lead here.
        files: folder for what is offered for download; the only one that files are served from.
        password: that a browser must give; null asks for none.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str(files)
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from cgan_dist.playground.page import build_page, inputs_of, taking_pictures

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    visitors = Visitors()
    page = build_page(subject, visitors)
    app.add_middleware(
        Gate,
        files=files,
        inputs=inputs_of(page),
        password=password,
        pictures=taking_pictures(page),
        visitors=visitors,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, host] if is_loopback(host) else ["*"])
    app.add_middleware(HeardOut)
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name=host,
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=1,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gr.themes.Default(primary_hue="teal", font=FONTS, font_mono=MONOSPACED),
        css=CSS.read_text(encoding="utf-8"),
    )


def _run(app: Any, listener: socket.socket) -> None:
    import uvicorn

    from cgan_dist.playground.connections import PatientProtocol

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that temporary files are removed then too
    config = uvicorn.Config(
        app, http=PatientProtocol, ws="none", log_level="error", proxy_headers=False, timeout_graceful_shutdown=1
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _free_port(host: str, taken: int) -> int:
    """The next port that nobody has, or any."""
    for port in [*range(taken + 1, min(taken + PORTS_TRIED, 65536)), 0]:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return taken
