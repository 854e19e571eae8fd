from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.losses.differentiable_gradient import differentiable_gradient
from cgan_dist.models import DISCRIMINATORS

Differentiate = Callable[[Tensor, Tensor], Tensor]
LAYOUT = Layout(classes=(3,))
CONDITION = Condition.of_classes(torch.arange(4) % 3)
NETWORKS: dict[str, dict[str, Any]] = {
    "r3": {"width": 8, "group_size": 4},
    "resnet": {"width": 8, "spectral": False},
    "dcgan": {"width": 8, "norm": "none"},
}
OWN_KERNELS = {"r3": {(1, 1), (3, 3)}, "resnet": {(1, 1), (3, 3)}, "dcgan": {(5, 5)}}
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "groups, no bias": lambda: nn.Conv2d(4, 4, 3, groups=2, bias=False),
    "same padding": lambda: nn.Conv2d(4, 6, 3, padding="same"),
    "reflected": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 5, stride=2, padding=(1, 2), output_padding=1, groups=2),
    "1d": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 6, 3, dilation=2)),
    "3d": lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Conv3d(2, 6, (2, 3, 3))),
    "relu": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3)),
    "leaky relu": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.LeakyReLU(0.1), nn.Conv2d(6, 6, 3)),
    "in place": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.LeakyReLU(0.1, inplace=True), nn.Conv2d(6, 6, 3)),
    "relu in place": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3)),
    "no convolution": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 7, 3)),
}


def pytorchs(output: Tensor, inputs: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(output, inputs, create_graph=True)
    return gradient


def discriminator(name: str, **args: Any) -> nn.Module:
    torch.manual_seed(0)
    ways = {"channels": DISCRIMINATOR_WAYS.build("channels", "test", {}, layout=LAYOUT)}
    network = DISCRIMINATORS.build(
        name, "test", NETWORKS[name] | args, image_shape=(1, 16, 16), ways=DiscriminatorWays(LAYOUT, ways)
    )
    return network  # type: ignore[no-any-return]


class Operations(TorchDispatchMode):
    """What is called, by name, and the sizes of what convolutions take for a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.kernels: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.calls[name] += 1
        if name == "convolution":
            self.kernels.add(tuple(args[1].shape[2:]))
        return func(*args, **(kwargs or {}))


def second_derivative(D: nn.Module, differentiate: Differentiate, half: bool = False) -> Operations:
    """What R1 calls in its second backward pass."""
    images = torch.rand(4, 1, 16, 16).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = D(images, CONDITION).logits
    penalty = differentiate(logits.sum(), images).float().square().sum()
    with Operations() as operations:
        penalty.backward()
    return operations


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_values_are_pytorchs_and_derivatives_too(layer: str, half: bool) -> None:
    torch.manual_seed(0)
    network = LAYERS[layer]()
    images = torch.randn(2, 4, 6, 7, requires_grad=True)
    found = []
    for differentiate in (differentiable_gradient, pytorchs):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = network(images)
        gradient = differentiate(output.float().square().mean(), images)
        parameters = torch.autograd.grad((gradient + 0.1).pow(3).sum(), [images, *network.parameters()])
        found.append((gradient, *parameters))
    (ours, *our_second), (theirs, *their_second) = found
    assert torch.equal(ours, theirs)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(our_second, their_second, **({"rtol": 0.05, "atol": 0.02} if half else {}))


@pytest.mark.parametrize("at", ["x", "weight", "bias"])
def test_derivatives_of_all_orders_are_finite_differences(at: str) -> None:
    def gradient(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        output = F.conv2d(F.leaky_relu(x, 0.3), weight, bias, padding=1, groups=2).tanh()
        return differentiable_gradient(output.sum(), {"x": x, "weight": weight, "bias": bias}[at])

    torch.manual_seed(0)
    given = torch.randn(1, 4, 3, 4), torch.randn(4, 2, 3, 3), torch.randn(4)
    doubles = tuple(tensor.double().requires_grad_() for tensor in given)
    assert gradcheck(gradient, doubles)
    assert gradgradcheck(gradient, doubles)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_no_feature_map_is_taken_for_a_kernel(network: str, half: bool) -> None:
    """On every CPU; errors show it only where a kernel that large is computed wrongly."""
    assert second_derivative(discriminator(network), differentiable_gradient, half).kernels <= OWN_KERNELS[network]


@pytest.mark.parametrize("network", NETWORKS)
def test_pytorch_takes_feature_maps_for_kernels(network: str) -> None:
    """The reason for our own, and that the test above can fail; when this one fails, the reason is gone."""
    assert (8, 8) in second_derivative(discriminator(network), pytorchs).kernels


def test_operations_do_not_depend_on_the_number_of_groups() -> None:
    def calls(group_size: int, differentiate: Differentiate) -> Counter[str]:
        return second_derivative(discriminator("r3", group_size=group_size), differentiate).calls

    one, many = calls(16, differentiable_gradient), calls(1, differentiable_gradient)
    assert one == many
    assert calls(1, pytorchs)["convolution"] > 4 * many["convolution"]


def test_hooks_stay_for_one_gradient_only() -> None:
    D = discriminator("r3")
    images = torch.rand(4, 1, 16, 16).requires_grad_()
    logits = D(images, CONDITION).logits.sum()
    differentiable_gradient(logits, images)
    with pytest.raises(RuntimeError, match="not have been used"):
        differentiable_gradient(logits, torch.ones(1, requires_grad=True))
    gradient = pytorchs(logits, images)
    with Operations() as operations:
        gradient.square().sum().backward()
    assert (8, 8) in operations.kernels


def test_a_large_graph_is_walked_without_recursion() -> None:
    x = torch.ones(3, requires_grad=True)
    output = x
    for _ in range(5000):
        output = output * 1.0
    torch.testing.assert_close(differentiable_gradient(output.sum(), x), torch.ones(3))
