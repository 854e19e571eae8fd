"""Serves the page on one address, without a network."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cgan_dist.errors import UserError
from cgan_dist.playground.gate import Gate
from cgan_dist.playground.subject import Subject, open_subject

LOCAL = ("127.0.0.1", "localhost")
PORTS_TRIED = 50
AT_ONCE = 64
"""Connections; each open page holds two."""
CSS = Path(__file__).with_name("page.css")
FONTS = ["system-ui", "sans-serif"]
MONOSPACED = ["ui-monospace", "monospace"]

logger = logging.getLogger(__name__)


def serve(path: Path, host: str, port: int, device: torch.device, ready: Callable[[Subject], None]) -> None:
    """Serves until it is interrupted.

    Args:
        path: run folder, checkpoint or model folder.
        host: name or IPv4 address of this machine to listen on.
        port: to listen on.
        device: of the generator.
        ready: called once connections are accepted.

    Raises:
        UserError: if Gradio is not installed, the address cannot be listened on, or there is no generator.
    """
    check_installed()
    with listening(host, port) as listener, tempfile.TemporaryDirectory(prefix="cgan-dist-playground-") as files:
        subject = open_subject(path, device)
        app = build_app(subject, host, Path(files))
        if not is_loopback(host):
            logger.warning(
                "--host %s: anyone who reaches this machine can use the page%s; there is no password.",
                host,
                " and read the run's curves" if subject.progress else "",
            )
        ready(subject)
        _run(app, listener)


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
        listener.listen(AT_ONCE)
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


def build_app(subject: Subject, host: str, files: Path) -> Any:
    """Builds the web application (ASGI) of a page.

    Args:
        subject: that is shown.
        host: that is listened on; where it is this machine's own, requests for another name are refused, because a
            page on the web could otherwise have its name lead here.
        files: folder for what is offered for download; the only one that files are served from.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str(files)
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from cgan_dist.playground.page import build_page

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Gate)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, host] if is_loopback(host) else ["*"])
    return gr.mount_gradio_app(
        app,
        build_page(subject),
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

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that temporary files are removed then too
    config = uvicorn.Config(app, log_level="warning", limit_concurrency=AT_ONCE, timeout_graceful_shutdown=1)
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
