"""Our training on a CUDA device that is not there: what is slow or wrong only on a GPU, found without one.

`python -m tests.fake_gpu FAMILY` runs a family of cases (`cases.py`) in a process that believes in the device, and
prints a report of each, as a line of JSON. Tensors on the device have shapes, types and strides, and no content
(PyTorch's FakeTensorMode); tensors on the CPU are real. Every operation passes by `mode.FakeGpu`, which knows of each
what it would cost on a real one: whether something is launched, whether something is copied from the host, whether the
host would wait for the device, whether it takes tensors of two devices.

It sees neither values, nor time, nor what kernels and NCCL do; nor compiled networks, whose tracing has a
FakeTensorMode of its own. It is tied to torch's insides, and so to the version in constraints.txt.
"""
