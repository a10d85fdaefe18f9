"""The page to show: whole, without network, and alive in a real browser."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from cae_compress import cli, synthetic
from cae_compress.lab import baselines, page, plots

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def written(photographs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    image = np.ascontiguousarray(photographs["coffee"][:200, :300])
    path.write_text(page.compare(image, "coffee & <cup>", quality=50), encoding="utf-8")
    return path


def test_it_is_one_file_that_needs_no_network(written):
    text = written.read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    count = len(baselines.BASELINES) + 4  # the original, ours for either metric, the curve
    assert len(sources) == count and all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?://|@[A-Z]+@", text)
    assert "coffee &amp; &lt;cup&gt;" in text and "<cup>" not in text


def test_every_codec_has_a_row_of_about_the_same_bytes(written):
    rows = re.findall(r"<tr><td>([^<]*)</td><td>([\d,]+)</td>", written.read_text(encoding="utf-8"))
    sizes = {name: int(size.replace(",", "")) for name, size in rows}
    ours = ["cae_compress", "cae_compress for MS-SSIM"]
    assert list(sizes) == [*ours, *(codec.name for codec in baselines.BASELINES)] and len(sizes) >= 7
    assert max(sizes.values()) <= 1.03 * sizes["cae_compress"]


def test_a_drawing_that_is_exact_has_no_curve_of_the_network(monkeypatch):
    drawn, as_output = [], plots.as_output
    monkeypatch.setattr(page.plots, "as_output", lambda figure, alt: drawn.append(figure) or as_output(figure, alt))
    page.curve_of(synthetic.facade())
    codecs = {line.get_label() for line in drawn[0].axes[0].lines}
    assert "cae_compress" not in codecs and "JPEG 2000" in codecs


def test_the_command_line_writes_it_for_one_picture(tmp_path, photographs, capsys):
    picture, target = tmp_path / "a.png", tmp_path / "page.html"
    Image.fromarray(photographs["coffee"][:64, :96]).save(picture)
    assert cli.main(["compare", str(picture), "--html", str(target)]) == 0
    assert "<title>a.png" in target.read_text(encoding="utf-8") and "cae_compress" in capsys.readouterr().out
    assert cli.main(["compare", str(picture), str(picture), "--html", str(target)]) == 2
    assert "--html is for one picture" in capsys.readouterr().err


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")
@pytest.mark.parametrize("width", [400, 1600])
def test_in_a_browser_pictures_load_the_curtain_moves_and_the_console_is_silent(written, width):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--window-size={width},900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        browser.get(written.as_uri())
        loaded = browser.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth)")
        assert loaded[:7] == [300] * 7 and loaded[7] > 500
        set_curtain = "const c = document.getElementById('curtain'); c.value = 20; c.dispatchEvent(new Event('input'))"
        browser.execute_script(set_curtain)
        left = "return getComputedStyle(document.querySelector('#stack img.left')).clipPath"
        assert "80%" in browser.execute_script(left)
        browser.execute_script("document.getElementById('four').click()")
        stack = "return document.getElementById('stack').getBoundingClientRect().width * devicePixelRatio"
        assert browser.execute_script(stack) == pytest.approx(1200, abs=2)
        browser.execute_script("document.getElementById('fit').click()")
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        browser.save_screenshot(str(written.with_name(f"{width}.png")))
    finally:
        browser.quit()
