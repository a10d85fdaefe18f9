import numpy as np
import pytest
from PIL import Image

from cae_compress import PictureError
from cae_compress.lab.teaching import claim, detail, open_photo, predict


def written(folder, width, height, **options):
    path = folder / "me.jpg"
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path, **options)
    return path


def test_without_a_photo_the_bundled_one_is_taken(photographs, capsys):
    assert np.array_equal(open_photo(None, "chelsea"), photographs["chelsea"])
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    "size, fitted, text",
    [((4000, 3000), (640, 480), "made smaller"), ((400, 300), (400, 300), ""), ((120, 100), (307, 256), "made larger")],
)
def test_a_photo_is_fitted_to_a_size_that_keeps_the_notebook_quick_and_that_is_said(
    size, fitted, text, tmp_path, capsys
):
    image = open_photo(written(tmp_path, *size))
    assert image.shape == (*fitted[::-1], 3) and image.dtype == np.uint8
    out = capsys.readouterr().out
    assert f"{size[0]}x{size[1]} pixels" in out and text in out


def test_a_photo_that_the_camera_turned_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert open_photo(written(tmp_path, 400, 300, exif=exif)).shape == (400, 300, 3)


def test_a_picture_that_is_too_long_and_thin_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(PictureError, match="too long and thin"):
        open_photo(written(tmp_path, 3000, 20))


def test_the_detail_is_where_something_happens():
    image = np.full((300, 400, 3), 90, np.uint8)
    image[160:240, 200:280] = np.random.default_rng(1).integers(0, 256, (80, 80, 3))
    top, left = detail(image)
    assert top <= 160 and top + 128 >= 240 and left <= 200 and left + 128 >= 280
    assert detail(image[:128, :128]) == (0, 0), "the only square there is"


def test_a_claim_must_hold_of_the_notebooks_picture_and_may_fail_of_the_readers(capsys):
    claim("it is so", True)
    assert "✓ it is so." in capsys.readouterr().out
    with pytest.raises(AssertionError, match="it is so"):
        claim("it is so", False)
    claim("it is so", False, "me.jpg")
    assert "Not on your picture: it is so" in capsys.readouterr().out


def test_a_prediction_keeps_the_guess_until_the_answer_is_there(capsys):
    guess = predict("How many bits?", 3, "bits")
    guess.reveal(2.5)
    assert "How many bits? 2.5 bits; your guess was 3 bits." in capsys.readouterr().out
    predict("How many bits?").reveal(2.5)
    out = capsys.readouterr().out
    assert "Write a number instead of None" in out and "(no guess)" in out
