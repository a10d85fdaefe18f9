import os
import subprocess
import sys
import threading
import time

import pytest

from cae_compress import loading


def by_threads(function, count=8):
    """What so many threads get that call a function at the same moment."""
    results, start = [], threading.Barrier(count)

    def call():
        start.wait()
        results.append(function())

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_that_ask_together_get_one_network_and_one_codec():
    class Codec:
        @loading.network
        def network(self):
            time.sleep(0.05)
            return object()

    @loading.once
    def load(name):
        time.sleep(0.05)
        return object()

    codec = Codec()
    assert len(set(by_threads(lambda: codec.network))) == 1 and codec.network is not Codec().network
    assert len(set(by_threads(lambda: load("a")))) == 1 and load("a") is not load("b")


def test_loading_one_may_need_another():
    class Codec:
        @loading.network
        def first(self):
            return 1

        @loading.network
        def second(self):
            return self.first + 1

    assert Codec().second == 2


FORKS = """
import os, signal, sys, time
import numpy as np
import cae_compress
from cae_compress import codec

picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)

def in_a_fork():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            print(cae_compress.decode(cae_compress.encode(picture)).shape)
        except RuntimeError as error:
            print("refused:", error)
        sys.stdout.flush()
        os._exit(0)
    for _ in range(3000):  # minutes, where many others compute
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("hangs")

data = cae_compress.codec.load_codec().context  # loaded, and nothing computed yet
from cae_compress import tensorflow_quietly
in_a_fork()
cae_compress.encode(picture)
print("openvino" not in sys.modules)
in_a_fork()
cae_compress.encode(picture, model="cheng2018")
in_a_fork()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_codes_if_tensorflow_was_not_in_use_and_else_says_so_instead_of_hanging():
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True)
    before, by_tensorflow, after_coding, after_tensorflow = answer.stdout.splitlines()
    assert before == "(20, 20, 3)"
    assert after_coding.startswith("refused") if by_tensorflow == "True" else after_coding == "(20, 20, 3)"
    assert after_tensorflow.startswith("refused") and "spawn" in after_tensorflow


WORK = """
import os, signal, sys, tempfile, time
import numpy as np
from cae_compress import LatentCodec, metrics, tensorflow_quietly, training
import tensorflow as tf

tf.constant(1) + 1
large = np.zeros((161, 161), np.uint8)
for work in (
    lambda: metrics.ms_ssim(large, large),
    lambda: training.run(None, tempfile.mkdtemp()),
    lambda: LatentCodec.__new__(LatentCodec).pair,
):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except RuntimeError as error:
            print("refused:", error)
        sys.stdout.flush()
        os._exit(0)
    for _ in range(600):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_is_refused_whatever_else_tensorflow_is_for():
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", WORK], capture_output=True, text=True)
    lines = answer.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith("refused") and "spawn" in line for line in lines), answer
