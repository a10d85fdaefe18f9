import numpy as np
import pytest

from cae_compress import BitstreamError, RDCodec, bitstream
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship import latents, tiling, trellis
from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.integer_passes import PER_STEP
from cae_compress.flagship.latents import CERTAIN, RDLatentCoder, leave_out


@pytest.fixture
def a_pass():
    """Latents of a pass, all expected to be 2 (mean 140/64), a tenth of them with next to no doubt."""
    bucket = np.full((100, 100), CERTAIN, np.uint8)
    bucket[:10] = 0
    return np.full((100, 100), 2, np.int32), np.full((100, 100), 140, np.int32), bucket


def test_where_nothing_surprises_what_is_certain_is_left_out(a_pass):
    values, mean, bucket = a_pass
    values[10:] = 5  # these are not certain
    assert leave_out(values, mean, bucket)
    assert (values[:10] == 2).all() and (values[10:] == 5).all()


def test_a_rare_surprise_is_lost_and_many_are_kept(a_pass):
    values, mean, bucket = a_pass
    values[0, 0] = 7
    assert leave_out(values, mean, bucket) and values[0, 0] == 2
    values[0, :5] = 7
    assert not leave_out(values, mean, bucket) and (values[0, :5] == 7).all()


@pytest.mark.parametrize("dependent", [True, False])
@pytest.mark.parametrize("spread", [0.05, 1, 300])
def test_any_latents_come_back_as_the_encoder_says(spread, dependent):
    """Also such as no picture has, which the context network does not expect."""
    codec, rng = RDCodec(), np.random.default_rng(1)
    y = (spread * rng.standard_t(3, (9, 13, CHANNELS))).astype(np.float32)
    coder = RDLatentCoder(codec.context, codec.probabilities, 900)
    q = coder.encode(y, codec.quantizer(900, dependent), dependent)
    again, offsets = RDLatentCoder(codec.context, codec.probabilities, 900, coder.finish()).decode(9, 13)
    assert np.array_equal(q, again) and offsets.shape == q.shape
    largest = trellis.MAX_LATENT / PER_STEP
    assert np.abs(q / PER_STEP - np.clip(y, -largest, largest)).max() < 4 or spread < 1


def test_leaving_out_changes_next_to_nothing_of_a_photograph(photograph, monkeypatch):
    codec, place = RDCodec(), flagship_codec.place_of_quality(50)
    y = codec.analyse(photograph, tiling.tiles(*photograph.shape[:2])[0], place)

    def encoded():
        coder = RDLatentCoder(codec.context, codec.probabilities, place)
        q = coder.encode(y, codec.quantizer(place))
        return q, coder.finish()

    q, data = encoded()
    monkeypatch.setattr(latents, "leave_out", lambda *_: False)
    everything, longer = encoded()
    assert len(data) < 1.005 * len(longer) and (q != everything).mean() < 1e-3


@pytest.mark.parametrize("value", [trellis.MAX_LATENT + 2, -40_000, 70_000])
def test_latents_that_no_encoder_writes_are_refused_not_wrapped(value, monkeypatch):
    codec = RDCodec()
    y = np.zeros((2, 3, CHANNELS), np.float32)
    y[1, 1, :4] = 3

    def beyond(y, mean, bucket, channels):
        q = np.zeros(mean.shape, np.int32)
        if channels.start == 0:
            q[-1, 0] = value
        return q

    coder = RDLatentCoder(codec.context, codec.probabilities, 900)
    coder.encode(y, beyond, dependent=False)
    header = bitstream.Header("rdcae", codec.weights_id, 48, 32, 900)
    with pytest.raises(BitstreamError, match="outside what an encoder writes"):
        codec.decode(bitstream.write(header, coder.finish()))
