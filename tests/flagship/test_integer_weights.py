import numpy as np
import pytest

from cae_compress import weights
from cae_compress.flagship import integer_weights
from cae_compress.flagship.coding_order import GROUPS
from cae_compress.flagship.integer_weights import LIMIT


@pytest.mark.parametrize("which", ["random", "shipped"])
def test_no_sum_can_leave_the_range_of_int32(which, integer_arrays):
    if which == "shipped":
        shipped, _ = weights.load("rdcae")
        integer_arrays = {k.removeprefix("context/"): v for k, v in shipped.items() if k.startswith("context/")}
    for k in range(len(GROUPS) - 1):
        group = {name.split("/")[1]: values for name, values in integer_arrays.items() if name.startswith(f"{k}/")}
        assert all(0 < bound < LIMIT for bound in integer_weights.bounds(group).values())


def test_bounds_are_those_of_the_worst_latents(integer_arrays):
    """Features at their largest, of the sign of one weight of the first layer: its sum is what the bound says."""
    group = {
        name.split("/")[1]: values.astype(np.int64) for name, values in integer_arrays.items() if name.startswith("1/")
    }
    features = {"magnitude": 89, "signed": 511}
    assert integer_weights.MAGNITUDES.max() == features["magnitude"]
    sums = np.abs(group["quality"]).max(axis=1)[1:]
    for kind, largest in features.items():
        sums = sums + largest * np.abs(group[f"own_{kind}"]).sum(axis=(1, 2))
        sums = sums + largest * np.abs(group[f"lower_{kind}"]).reshape(-1, 9, integer_weights.HIDDEN).sum(axis=(0, 1))
    assert integer_weights.bounds(group)["first"] == pytest.approx(sums.max(), rel=1e-9)


def test_weights_too_large_for_int32_are_refused(float_network):
    groups = [{name: 1e6 * v.numpy() for name, v in group.items()} for group in float_network.groups]
    with pytest.raises(ValueError, match="too large"):
        integer_weights.to_integers(groups)


def test_integers_can_be_trained_on(integer_arrays):
    again = integer_weights.to_integers(integer_weights.from_integers(integer_arrays))
    for name, values in integer_arrays.items():
        assert np.array_equal(again[name], values), name
