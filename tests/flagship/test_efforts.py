import pytest

from cae_compress.flagship import efforts
from cae_compress.flagship.codec import RDCodec


def test_effort_costs_seconds_and_saves_bits(photographs):
    squares = [photograph[100:228, 100:260] for photograph in photographs.values()]  # of one, chance is as large
    rows = efforts.table(RDCodec(), squares, (0, 1, 3)).set_index("effort")
    assert rows.loc[0, "bd_rate_percent"] == pytest.approx(0, abs=1e-9)
    assert rows.loc[3, "bd_rate_percent"] < rows.loc[1, "bd_rate_percent"] < -0.5
    assert rows["seconds_a_megapixel"].is_monotonic_increasing and (rows["pictures"] == len(squares)).all()
