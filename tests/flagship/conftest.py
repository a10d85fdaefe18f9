import numpy as np
import pytest

from cae_compress.flagship import integer_weights


@pytest.fixture(scope="module")
def float_network():
    """A network with random weights, large enough to matter."""
    from cae_compress.flagship.context_network import ContextNetwork

    network, rng = ContextNetwork(), np.random.default_rng(1)
    network.build(None)
    for group in network.groups:
        for name, variable in group.items():
            spread = 0.05 if name.startswith(("own", "lower", "mean", "same")) else 0.1
            variable.assign(rng.normal(0, spread, variable.shape))
    return network


@pytest.fixture(scope="module")
def integer_arrays(float_network):
    return integer_weights.to_integers([{k: v.numpy() for k, v in group.items()} for group in float_network.groups])
