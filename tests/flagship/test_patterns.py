import numpy as np
import pytest

from cae_compress import RDCodec, metrics
from cae_compress.flagship import patterns

Y, X = np.mgrid[:96, :96]
PATTERNS = {"chequerboard": (X + Y) % 2, "columns": X % 2, "rows": Y % 2}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_higher_quality_is_no_worse_picture_of_a_pattern_of_single_pixels(name):
    codec, picture = RDCodec(), np.dstack([(255 * PATTERNS[name]).astype(np.uint8)] * 3)
    assert patterns.is_pattern(picture)
    psnr = [metrics.psnr(picture, codec.decode(codec.encode(picture, quality))) for quality in (1, 30, 60, 100)]
    assert all(b > a - 1 for a, b in zip(psnr, psnr[1:]))


def test_photographs_are_not_taken_for_patterns_and_coded_as_asked(photographs):
    assert not any(patterns.is_pattern(picture) for picture in photographs.values())
    codec, picture = RDCodec(), photographs["coffee"][:60, :70]
    assert codec.encode(picture, 70.5) == codec.encode_at(picture, 70.5)
