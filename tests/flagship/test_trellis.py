import itertools

import numpy as np
import pytest

from cae_compress import RDCodec
from cae_compress.flagship import ablations, tiling, trellis
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship.integer_passes import OUTPUT_BITS, PER_STEP
from cae_compress.flagship.latents import RDLatentCoder
from cae_compress.flagship.trellis import DEPENDENT_FROM, choose


def latents(shape, seed=1):
    """Random y, mean and bucket, in which dependent and other latents are mixed."""
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 1.2, shape).astype(np.float32)
    mean = np.rint(rng.normal(0, 60, shape)).astype(np.int32)
    return y, mean, rng.integers(DEPENDENT_FROM - 5, DEPENDENT_FROM + 9, shape).astype(np.uint8)


def test_quantizers_have_the_values_of_the_docstring():
    for quantizer, offsets in enumerate(([-4, -2, 0, 2, 4], [-3, -1, 0, 1, 3])):
        values = [trellis.value_of(k, 10, quantizer) for k in range(-2, 3)]
        assert values == [10 + offset for offset in offsets]
        assert [trellis.index_of(value, 10, quantizer) for value in values] == [-2, -1, 0, 1, 2]


def test_two_states_of_one_quantizer_lead_to_every_state():
    before = [[] for _ in range(trellis.STATES)]
    for state, index in itertools.product(range(trellis.STATES), (0, 1)):
        before[trellis.next_state(state, DEPENDENT_FROM, index, True)].append((state, index))
    for (one, index), (other, other_index) in before:
        assert other == one + trellis.STATES // 2 and index != other_index
        assert trellis.QUANTIZER[one] == trellis.QUANTIZER[other]


@pytest.mark.parametrize("mean, centre", [(0, 0), (1.0, 2), (-1.0, 0), (0.9, 0), (5.2, 6), (1e6, trellis.MAX_LATENT)])
def test_the_centre_is_the_even_number_nearest_to_the_mean(mean, centre):
    assert trellis.centre_of(np.int32(mean * 2**OUTPUT_BITS)) == centre


def test_bits_are_those_of_a_distribution():
    probability = (2.0 ** -trellis.BITS[:, :26]).sum(axis=-1)  # wider ones leave the table
    assert probability == pytest.approx(1, abs=2e-3)
    assert (trellis.BITS[0, :20].argmin(axis=-1) == trellis.MAX_INDEX).all()  # the centre is the likeliest


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_indices_is_better_than_that_of_the_trellis(seed):
    y, mean, bucket = latents((1, 5), seed)
    y, mean = np.clip(y, -1, 1), np.clip(mean, -80, 80)  # within reach of the indices tried below
    bucket[0, 1] = DEPENDENT_FROM - 1  # the state passes over it
    weights = np.array([12, 8, 20, 15, 9], np.float32)

    def costs(indices):
        """Bits and weighted errors of the latents that these indices lead to."""
        state, total = 0, 0.0
        for at, index in zip(np.ndindex(y.shape), indices):
            centre = trellis.centre_of(mean[at])
            quantizer = trellis.quantizer_of(state, bucket[at], True)
            weight, fraction = weights[at[1]] / PER_STEP**2, mean[at] - (centre << OUTPUT_BITS)
            bits = trellis.BITS[quantizer, bucket[at], min(abs(fraction) * 4 >> OUTPUT_BITS, 3)]
            distance = (PER_STEP * float(y[at]) - centre) * (-1 if index < 0 else 1)
            direction = 1 if (index < 0) == (fraction < 0) else -1
            total += trellis.cost(distance, abs(index), quantizer, weight, bits, direction)
            state = trellis.next_state(state, bucket[at], index, True)
        return total

    q = choose(y, mean, bucket, weights, True)
    state, indices = 0, []
    for at in np.ndindex(y.shape):
        quantizer = trellis.quantizer_of(state, bucket[at], True)
        indices.append(trellis.index_of(q[at], trellis.centre_of(mean[at]), quantizer))
        state = trellis.next_state(state, bucket[at], indices[-1], True)
    best = min(costs(all_indices) for all_indices in itertools.product(range(-3, 4), repeat=y.size))
    assert costs(indices) == pytest.approx(best)


def test_alone_latents_keep_to_whole_steps_around_the_centre():
    y, mean, bucket = latents((30, 40))
    q = choose(y, mean, bucket, np.full(40, 1e6, np.float32), False)  # distortion is all that counts
    centre = np.array([trellis.centre_of(m) for m in mean.ravel()]).reshape(mean.shape)
    assert ((q - centre) % 2 == 0).all() and np.abs(q - PER_STEP * y).max() <= 1
    assert np.array_equal(ablations.nearest(y, mean, bucket, None), PER_STEP * np.rint(y))


def test_together_they_come_nearer_and_the_rest_do_not():
    y, mean, bucket = latents((30, 40))
    weights = np.full(40, 20, np.float32)
    errors = [np.square(choose(y, mean, bucket, weights, dependent) - PER_STEP * y) for dependent in (True, False)]
    taking_part = bucket >= DEPENDENT_FROM
    assert errors[0][taking_part].mean() < 0.7 * errors[1][taking_part].mean()
    assert np.array_equal(errors[0][~taking_part], errors[1][~taking_part])


def test_training_knows_how_large_the_errors_are(photographs):
    from cae_compress.flagship.network import DEPENDENT_ERROR

    codec, place, errors = RDCodec(), flagship_codec.place_of_quality(60), []
    picture = photographs["coffee"]
    choose_at = codec.quantizer(place)

    def quantize(y, mean, bucket, channels):
        q = choose_at(y, mean, bucket, channels)
        part = bucket >= DEPENDENT_FROM
        errors.append((np.square(q / PER_STEP - y)[part], np.square(np.rint(y) - y)[part]))
        return q

    coder = RDLatentCoder(codec.context, codec.probabilities, place)
    coder.encode(codec.analyse(picture, tiling.tiles(*picture.shape[:2])[0], place), quantize)
    trellis_error, rounding_error = (np.concatenate(part).mean() for part in zip(*errors))
    assert np.sqrt(trellis_error / rounding_error) == pytest.approx(DEPENDENT_ERROR, abs=0.06)
