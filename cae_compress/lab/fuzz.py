"""Throws damaged files at the decoder: `python -m cae_compress.lab.fuzz --count 100000`.

Each file is a valid one, of version 1 or 2, after bit flips, truncation, splicing with another, absurd or very narrow
sizes, damaged metadata, or a change of model; every second one gets a correct checksum again. What must come of it:
`BitstreamError`, or, if the checksum is right, a picture of the declared size; of a progressive model also if the end
is missing, whatever the checksum. Neither may cost much time or memory. Anything else stops the run and leaves the file
that did it. Every tenth file goes all the way to a picture, the others to latents: everything that reads bytes. (Where
Python has no module `resource`, as on Windows, memory is not watched.)
"""

import argparse
import functools
import importlib
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from cae_compress import Metadata, bitstream, codec, datasets, synthetic, workers
from cae_compress.bitstream import BitstreamError
from cae_compress.metadata import MAX_BYTES
from cae_compress.progress import progress_bar

try:
    import resource
except ImportError:
    resource = None

MAX_PIXELS = 1 << 20  # larger pictures are refused, so that the run takes minutes
SLACK_BYTES = 256 << 20
BOMB = zlib.compress(bytes(MAX_BYTES + 1))  # metadata longer than there may be, in 16 KiB
MAX_SECONDS = 60  # of all cores together, for one file
PART = 50  # files that are tried in a row


def seeds():
    """Valid files to damage: of every codec, several sizes and rates, flat, noise, grey, drawn, with metadata."""
    photographs = datasets.bundled()
    pictures = [photographs["coffee"][:150, :140], photographs["china"][:16, :300], np.zeros((200, 130, 3), np.uint8)]
    pictures.append(synthetic.noise()[:60, :80])
    coders = [codec.load_codec(name, tune) for name, entry in codec.CODECS.items() for tune in entry.names_of_tunes()]
    files = [
        coder.encode(picture, coder.settings[k])
        for coder in coders
        for picture in pictures
        for k in (0, len(coder.settings) // 2, -1)
    ]
    metadata = Metadata(bytes(range(256)) * 4, b"II*\0" + bytes(60), "<x:xmpmeta/>" * 20, (300, 300))
    for image in (pictures[0], pictures[0][..., 0], pictures[2], synthetic.chart()[:150, :200]):
        files += [codec.encode(image, 40, metadata=carried) for carried in (None, metadata)]
    return files


def mutate(rng, files):
    """A damaged file, and whether its checksum was made right: (bytes, bool)."""
    data = bytearray(files[rng.integers(len(files))])
    kind = rng.integers(8)
    if kind == 0:  # bit flips
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif kind == 1:  # truncation
        del data[rng.integers(len(data)) :]
    elif kind == 2:  # splice
        other = files[rng.integers(len(files))]
        data = data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]
    elif kind == 3:  # absurd sizes
        sizes = (0, 1, 127, 129, 1 << 16, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, int(rng.integers(1 << 32)))
        struct.pack_into("<I", data, 10 + data[5] + 4 * int(rng.integers(2)), sizes[rng.integers(len(sizes))])
    elif kind == 4:  # another model, version, weights, colour or settings
        data[rng.integers(min(36, len(data)))] = rng.integers(256)
    elif kind == 5:  # very narrow
        sides = [1, 1 << int(rng.integers(10, 31))]
        struct.pack_into("<II", data, 10 + data[5], *(sides if rng.integers(2) else sides[::-1]))
    elif kind == 6:  # metadata: the length of the payload says where they begin
        start = 31 + data[5] + int.from_bytes(data[23 + data[5] : 27 + data[5]], "little")
        data[4] = 2
        if rng.integers(2):  # another chunk, sound or not
            kinds = [*bitstream.KINDS.values(), b"WHAT"]
            content = (zlib.compress(b"II*\0"), BOMB, rng.bytes(8))[rng.integers(3)]
            data += struct.pack("<4sBI", kinds[rng.integers(5)], rng.integers(3), len(content)) + content
        elif start < len(data):
            data[start + int(rng.integers(len(data) - start))] = rng.integers(256)
    else:  # noise in place of the payload
        start = 31 + data[5]
        data[start:] = rng.bytes(len(data) - start)
    repaired = bool(rng.integers(2)) and len(data) >= 6 and len(data) >= 31 + data[5]
    return repair(data) if repaired else bytes(data), repaired


def repair(data):
    """Make the payload's length, where it is beyond what there is, and the checksum right."""
    end = 6 + data[5] + 21
    there = len(data) - end - 4
    if data[4] == 1 or struct.unpack_from("<I", data, end - 4)[0] > there:
        struct.pack_into("<I", data, end - 4, there)
    struct.pack_into("<I", data, end, zlib.crc32(data[end + 4 :], zlib.crc32(data[:end])))
    return bytes(data)


def outcome(data, whole):
    """Decode to latents or to a picture: "refused", "picture", or "picture of a cut file".

    Raises:
        AssertionError: it is not of the declared size.
    """
    try:
        header, payload = codec.read(data, MAX_PIXELS)
        if whole:
            assert codec.decode(data, MAX_PIXELS).shape == (header.height, header.width, 3)
        else:
            assert sum(1 for _ in codec.codec_of(header).decode_latents(header, payload)) > 0
    except BitstreamError:
        return "refused"
    return "picture of a cut file" if header.cut else "picture"


def run(count, seed=1, progress=True, jobs=None, dask=None):
    """Try `count` damaged files.

    Args:
        count: int.
        seed: int, of the damage; each file's is a function of this and its number, whatever tries it.
        progress: show a progress bar.
        jobs, dask: as `workers.run` takes them.

    Returns:
        dict from outcome to number: "refused", "picture" (only with a right checksum), "picture of a cut file",
        "unchanged".

    Raises:
        AssertionError: a file with a wrong checksum was decoded, memory grew by more than 256 MB, or a file took more
            than a minute.
    """
    counts = {"refused": 0, "picture": 0, "picture of a cut file": 0, "unchanged": 0}
    parts = [range(start, min(start + PART, count)) for start in range(0, count, PART)]
    try:
        with progress_bar(show=progress, total=count, unit="file") as bar:
            for k, results in workers.run(functools.partial(try_files, tuple(seeds()), seed), parts, jobs, dask):
                for result in results:
                    counts[result] += 1
                bar.update(len(parts[k]))
    except BaseException as error:
        if data := getattr(error, "damaged_file", None):
            Path("fuzz-failure.cae").write_bytes(data)
            print("see fuzz-failure.cae", file=sys.stderr)
        raise
    return counts


def try_files(files, seed, numbers):
    """Outcomes of damaged files, a list, given valid files and numbers; what is raised has the `damaged_file`."""
    load_all(files)
    before, results = peak_bytes(), []
    for k in numbers:
        data, repaired = mutate(np.random.default_rng((seed, k)), files)
        begin = time.process_time()
        try:
            result = "unchanged" if data in files else outcome(data, whole=k % 10 == 0)
            assert repaired or result != "picture", "decoded in spite of a wrong checksum"
            assert time.process_time() - begin < MAX_SECONDS, "took more than a minute"
            assert peak_bytes() - before < SLACK_BYTES, "memory grew by more than 256 MB"
        except BaseException as error:
            error.damaged_file = data
            raise
        results.append(result)
    return results


@functools.cache
def load_all(files):
    """Decode valid files, so that all is loaded in this process that is ever loaded."""
    for file in files:
        outcome(file, whole=True)


def peak_bytes():
    """The most memory this process has had, in bytes; 0 where that cannot be known."""
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.lab.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="files to try (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random damage (default: %(default)s)")
    workers.add_options(parser)
    args = parser.parse_args(argv)
    with workers.errors_told(parser):
        print(run(args.count, args.seed, jobs=args.jobs, dask=args.dask))


if __name__ == "__main__":  # by its name, under which other processes find its functions
    importlib.import_module(__spec__.name).main()
