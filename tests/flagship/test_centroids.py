import numpy as np
import pytest

from cae_compress.flagship import centroids
from cae_compress.flagship.integer_passes import MIN_LOG_SCALE, OUTPUT_BITS, PER_STEP
from cae_compress.flagship.latents import bucket_of, offsets_of
from cae_compress.flagship.trellis import DEPENDENT_FROM


@pytest.mark.parametrize("mean", [0.0, 0.2, -0.45, 0.8, -3.0, 40.0])
@pytest.mark.parametrize("scale", [0.05, 0.4, 1.0, 20.0])
def test_a_centroid_is_the_mean_of_what_is_in_the_cell(mean, scale):
    t = np.linspace(-0.5, 0.5, 200_001)
    exponent = -np.abs(t - mean) / scale
    density = np.exp(exponent - exponent.max()) / (1 + np.exp(exponent)) ** 2
    assert centroids.centroid(mean, scale) == pytest.approx((t * density).sum() / density.sum(), abs=1e-4)


def test_the_table_leads_towards_the_mean_and_further_the_surer_it_is():
    table = centroids.TABLE.astype(int)
    assert np.array_equal(table, -table[:, ::-1])
    assert (np.diff(table, axis=1) >= 0).all()
    one_step_away = table[:, centroids.MAX_DISTANCE + (1 << OUTPUT_BITS)]
    assert (np.diff(one_step_away) <= 0).all() and one_step_away[0] > 0.4 / centroids.UNIT and one_step_away[-1] == 0


def test_training_and_decoding_look_up_the_same():
    import tensorflow as tf

    from cae_compress.flagship.network import centroid_offsets

    rng = np.random.default_rng(1)
    q = rng.integers(-9, 10, (50, 40)).astype(np.int32)
    mean = q * 64 + rng.integers(-400, 400, q.shape)
    log_scale = rng.integers(64 * MIN_LOG_SCALE - 9, 64 * 7, q.shape)
    bucket = bucket_of(log_scale.astype(np.float32))
    in_half_steps = PER_STEP * q, (PER_STEP * mean).astype(np.int32)
    offsets = offsets_of(*in_half_steps, bucket, centroids.TABLE, False)
    in_training = centroid_offsets(
        tf.constant(q, tf.float32), tf.constant(mean / 64, tf.float32), tf.constant(log_scale / 64, tf.float32)
    )
    assert np.array_equal(offsets * np.float32(centroids.UNIT), in_training.numpy()) and offsets.any()
    of_dependent = offsets_of(*in_half_steps, bucket, centroids.TABLE, True)
    assert np.array_equal(of_dependent, np.where(bucket < DEPENDENT_FROM, offsets, 0))
