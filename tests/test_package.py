import json
import subprocess
import sys

import pytest

import cae_compress

PROBE = """
import json, sys, time
start = time.perf_counter()
import cae_compress
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
"""


def test_importing_the_package_is_quick_and_loads_neither_tensorflow_nor_matplotlib():
    answer = json.loads(subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True).stdout)
    assert not {"tensorflow", "keras", "matplotlib", "cv2"} & set(answer["modules"])
    assert answer["seconds"] < 0.3


def test_every_public_name_can_be_fetched():
    for name in cae_compress.__all__:
        assert getattr(cae_compress, name) is not None
        assert name in dir(cae_compress)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = cae_compress.no_such_name
