"""A film: GIF by Pillow, with one palette for all frames, or MP4 by ffmpeg."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.files.whole import whole_file
from cgan_dist.grid import stacked
from cgan_dist.pictures.picture_file import FILMS, check_suffix

MAX_SIDE = 1280
"""Pixels; larger frames are scaled down."""
PALETTE_FRAMES = 8
"""Frames that decide on the palette of a GIF, evenly spaced."""
COLOURS = 256
GREYS = 64
"""Of a grey film: no eye tells them from 256, and the file is a third smaller."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """Frames, made one by one when they are written.

    Attributes:
        count: of frames.
        frame: number -> RGB picture; all of one size.
        fps: frames per second.
        hold_seconds: how much longer the last one stays.
    """

    count: int
    frame: Callable[[int], Image.Image]
    fps: float
    hold_seconds: float = 0.0

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            UserError: if its name ends in neither .gif nor .mp4, or there is no ffmpeg for an mp4, or the disk refuses.
        """
        check_film(path)
        with whole_file(path) as partial:
            self._write_gif(partial) if path.suffix.lower() == ".gif" else self._write_mp4(partial)

    def _frames(self) -> Iterator[Image.Image]:
        for number in range(self.count):
            yield _bounded(self.frame(number))

    def _write_gif(self, path: Path) -> None:
        palette = self._palette()
        frames = (_indexed(frame, palette) for frame in self._frames())
        milliseconds = [round(1000 / self.fps)] * self.count
        milliseconds[-1] += round(1000 * self.hold_seconds)
        first = next(frames)
        first.save(path, "GIF", save_all=True, append_images=frames, duration=milliseconds, loop=0)

    def _palette(self) -> Image.Image | None:
        """One for the whole film, so that no colour flickers; null, which is greys, if there is nothing else."""
        numbers = np.unique(np.linspace(0, self.count - 1, PALETTE_FRAMES).round().astype(int))
        sample = stacked([_bounded(self.frame(int(number))) for number in numbers])
        channels = np.asarray(sample)
        is_grey = bool((channels == channels[..., :1]).all())
        return None if is_grey else sample.quantize(COLOURS, dither=Image.Dither.NONE)

    def _write_mp4(self, path: Path) -> None:
        held = round(self.hold_seconds * self.fps)
        frames = self._frames()
        last = _even(next(frames))
        command = [
            *(_ffmpeg(), "-loglevel", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{last.width}x{last.height}", "-r", str(self.fps)),
            *("-i", "-", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart"),
            *("-f", "mp4", str(path)),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended; why it says itself
                for frame in chain([last], map(_even, frames)):
                    last = frame
                    process.stdin.write(frame.tobytes())
                for _ in range(held):
                    process.stdin.write(last.tobytes())
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            said = process.stderr.read().decode(errors="replace").strip()
        if process.returncode:
            raise UserError(f"ffmpeg could not write the film: {said or f'exit code {process.returncode}'}")


def check_film(path: Path) -> None:
    """Checks that a film can be written under such a name, before anything is drawn.

    Raises:
        UserError: if not.
    """
    check_suffix(path, FILMS)
    if path.suffix.lower() == ".mp4":
        _ffmpeg()


def _ffmpeg() -> str:
    """The program: the system's, or the one that the package imageio-ffmpeg brings along."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UserError(
            "mp4: there is no ffmpeg here: pip install 'cgan_dist[film]', or install ffmpeg, or give a name that ends "
            "in .gif."
        ) from error


def _indexed(frame: Image.Image, palette: Image.Image | None) -> Image.Image:
    if palette is not None:
        return frame.quantize(palette=palette, dither=Image.Dither.NONE)
    last = GREYS - 1
    indexed = frame.convert("L").point([round(value * last / 255) for value in range(256)])
    indexed.putpalette([value for grey in range(GREYS) for value in (round(grey * 255 / last),) * 3])
    return indexed


def _bounded(frame: Image.Image) -> Image.Image:
    scale = MAX_SIDE / max(frame.size)
    if scale >= 1:
        return frame
    return frame.resize((round(frame.width * scale), round(frame.height * scale)), Image.Resampling.LANCZOS)


def _even(frame: Image.Image) -> Image.Image:
    """H.264 in its common form wants even sides; a white line is added where one is missing."""
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    if (width, height) == frame.size:
        return frame
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(frame)
    return canvas
