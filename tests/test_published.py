"""The published curves can be checked, and are called what they are."""

from pathlib import Path

import pandas as pd

PUBLISHED = pd.read_csv(Path(__file__).parent.parent / "data" / "published.csv")


def test_every_row_names_its_paper_and_a_file_that_holds_its_numbers():
    assert PUBLISHED["source"].str.contains(r"(?:CVPR|ICLR) \d{4}").all()
    assert PUBLISHED["numbers_from"].str.fullmatch(r"https://github\.com/\S+/blob/[0-9a-f]{40}/\S+\.txt").all()
    assert (PUBLISHED.groupby("codec")["numbers_from"].nunique() == 1).all()


def test_no_curve_is_called_after_the_2017_paper_of_balle_which_published_no_means():
    names = set(PUBLISHED["codec"])
    assert "Ballé 2017" not in names and "Ballé 2018, factorized prior" in names


def test_every_curve_rises():
    for _, curve in PUBLISHED.groupby("codec"):
        assert curve["bpp"].is_monotonic_increasing and curve["psnr_db"].is_monotonic_increasing
