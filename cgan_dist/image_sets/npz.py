"""Form `npz`: one file with the arrays `images`, `labels` and, for classes, `class_names`."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np

from cgan_dist.image_sets.raw_form import RawForm
from cgan_dist.labels import ClassLabels


class NpzFile(RawForm):
    """What `numpy.load` opens: images (N, H, W, C) uint8, and labels, (N,) or (N, W) in the form of the label space."""

    suffix = ".npz"

    def finish(self) -> Path:
        """Compresses everything into one file; entry by entry, so that no array need fit in memory twice."""
        made = self.folder / "set.npz"
        arrays = {"labels": self.facts.labels}
        if isinstance(self.facts.schema, ClassLabels):
            arrays["class_names"] = np.array(self.facts.schema.names)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("images.npy", "w", force_zip64=True) as entry, self.raw.path.open("rb") as images:
                shutil.copyfileobj(images, entry, 1 << 20)
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)
        return made

    def record_path(self, out: Path) -> Path:
        """Beside the file."""
        return out.with_name(out.name + ".json")

    def missing(self, out: Path) -> list[str]:
        """The file itself, if it is no whole archive."""
        return [] if zipfile.is_zipfile(out) else [out.name]
