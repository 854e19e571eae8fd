"""Features `inception`: those of the Inception network that published FID, KID and Inception Scores use."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgan_dist.bounds import WEIGHTS_BYTES, read_bytes
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.data.download import download
from cgan_dist.errors import UserError
from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.metrics.base import Features, RealSet

FILE = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of the TensorFlow model of 2015-12-05, which FID was defined with, as torch-fidelity and pytorch-fid converted it."""
PACKAGES = ("torch_fidelity", "torchvision")
LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)
"""torch-fidelity's names, in order."""


class InceptionFeatures(Extractor):
    """torch-fidelity's Inception v3: its 2,048 pooled features, and its 1,008 logits without their bias.

    FID: Heusel et al. 2017, arXiv:1706.08500. Images are brought to 299x299 by its own resizing, TensorFlow's of that
    time, so any size will do; grey ones are repeated to three channels.

    Args:
        label_space: of no use to it.
        weights: file; null is torch's own cache of downloaded weights, where it is fetched to if it is not there.
        sha256: that the file must have, hex.
    """

    batch = 32

    def __init__(self, label_space: LabelSpace, weights: str | None = None, sha256: str = SHA256) -> None:
        super().__init__(label_space)
        self.given = weights is not None
        self.path = (
            Path(weights).expanduser() if weights is not None else Path(torch.hub.get_dir(), "checkpoints", FILE)
        )
        self.sha256 = sha256.lower()

    def check(self, where: str) -> None:
        """Fetches the weights if none are named and none are there.

        Raises:
            UserError: if a package is missing, or the file cannot be had or is another one.
        """
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise UserError(
                f"{where} needs {' and '.join(missing)}, which is not installed: pip install 'cgan_dist[eval]'."
            )
        if not self.given and not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            hint = (
                f"Fetch that file where there is a network and copy it to {self.path}, or name it with "
                "--inception-weights or evaluate.inception_weights; or compare in the features of the data's own "
                "classifier (@classifier)"
            )
            try:
                download(URL, self.path, self.sha256, hint)
            except UserError as error:
                raise UserError(f"{where} needs Inception's weights: {error}") from error
        self._content(where)

    def build(self, image_shape: tuple[int, int, int]) -> None:
        """Builds it without weights."""
        self.network = _without_weights()

    def prepare(self, real: RealSet) -> str:
        """Loads the weights; the real images are of no use to it."""
        where = f"{self.path}: these Inception weights"
        try:
            state = torch.load(io.BytesIO(self._content(where)), map_location="cpu", weights_only=True)
            self.network.load_state_dict(state)
        except UserError:
            raise
        except Exception as error:  # torch raises a dozen kinds
            raise UserError(
                f"{where} cannot be loaded: {str(error).splitlines()[0]}. Expected the state dict of torch-fidelity's "
                f"FeatureExtractorInceptionV3, as in {URL}."
            ) from error
        return self.sha256

    @torch.no_grad()
    def extract(self, images: Tensor) -> Features:
        """(B, C, H, W) uint8, or float in 0..255, with one or three channels -> (B, 2048), (B, 1008)."""
        return Features(*self.network(images.expand(-1, 3, -1, -1)))

    def _content(self, where: str) -> bytes:
        """The file's bytes, if it is the one that is meant."""
        try:
            content = read_bytes(self.path, WEIGHTS_BYTES)
        except OSError as error:
            raise UserError(
                f"{where}: cannot read Inception's weights {self.path}: {error.strerror}. Expected {URL}, copied there."
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise UserError(
                f"{where}: the sha256 of Inception's weights {self.path} is {found}, expected {self.sha256}. Expected "
                f"{URL}; remove the file, or name what other weights should have with evaluate.inception_sha256 "
                "(figures by other weights compare with no paper)."
            )
        return content


def _without_weights() -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
            return super().load_state_dict(state_dict, *args, **kwargs) if state_dict else None

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return super().forward(x) if x.dtype == torch.uint8 else self.of_floats(x)

        def of_floats(self, x: Tensor) -> tuple[Tensor, ...]:
            """torch-fidelity's own takes nothing but uint8."""
            side = self.INPUT_IMAGE_SIZE
            x = (interpolate_bilinear_2d_like_tensorflow1x(x, size=(side, side), align_corners=False) - 128) / 128
            for name in LAYERS:
                x = getattr(self, name)(x)
            pooled = x.flatten(1)
            return pooled, pooled @ self.fc.weight.T

    empty = io.BytesIO()  # torch-fidelity wants a file, which it would unpickle whole or download unchecked
    torch.save({}, empty)
    empty.seek(0)
    return Unloaded("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=empty)
