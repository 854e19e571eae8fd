"""cgan_dist: distributed training of conditional GANs.

What people import stands in `__init__.pyi`, the one list; each name is fetched from its room when it is first asked
for, so importing the package imports nothing heavy.
"""

import sys

if sys.argv[:1] == ["-m"] and "cgan_dist" in sys.orig_argv and not sys.flags.safe_path:
    del sys.path[0]  # `python -m cgan_dist` has put the working folder there, and would import its torch.py

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
