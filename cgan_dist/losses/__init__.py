"""What is minimized: adversarial losses on logits, penalties on the discriminator, the losses of its ways, their sum.

An adversarial loss has `discriminator(real_logits, fake_logits)` and `generator(real_logits, fake_logits)`, each
returning a scalar and named terms, and says with `generator_needs_real` whether G's loss looks at real logits.
"""

from cgan_dist.config.registry import Registry

ADVERSARIAL = Registry(
    "adversarial loss",
    "cgan_dist:Adversarial",
    {
        "hinge": "cgan_dist.losses.adversarial:Hinge",
        "least_squares": "cgan_dist.losses.adversarial:LeastSquares",
        "non_saturating": "cgan_dist.losses.adversarial:NonSaturating",
        "relativistic": "cgan_dist.losses.adversarial:Relativistic",
        "wasserstein": "cgan_dist.losses.adversarial:Wasserstein",
    },
)
"""Adversarial losses: functions of logits, nothing else."""
