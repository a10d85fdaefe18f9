"""Any autoencoder as a codec with real files: two networks of Keras and some pictures are enough.

    codec = LatentCodec.fit(g_a, g_s, pictures, name="mine")
    data = codec.encode(image, codec.settings[3])
    image = codec.decode(data)

    image ─> g_a ─> y     ─> round((y - centre) / step) ─> q ─> static tables or adaptive contexts, coder ─┐
                                                                                                   .cae bytes
    image <─ g_s <─ y_hat <─ centre + step * q          <─ q <─ the same, integers only <──────────────────┘

The setting is the step of the quantizer, in units of the latents: one pair of networks, a whole curve. Of the pictures
come the centres (the median of each map), what the entropy coder expects at each step, and steps that make a curve.

In a file's header the settings hold the step in units of 2**(exponent - 16), where the exponent comes with the weights,
and in their highest bit whether static tables were used.

Memory beside the picture: 8 bytes a latent, and some 100 MB for a tile of the networks (`network_pair`).
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from cae_compress import bitstream, loading, pictures, weights
from cae_compress.bitstream import BitstreamError
from cae_compress.checks import number
from cae_compress.coding import contexts, entropy, grids
from cae_compress.coding.binarization import SLOTS
from cae_compress.coding.contexts import ContextModel
from cae_compress.coding.grids import GridCoder
from cae_compress.file_codec import FileCodec

ENTROPY_MODELS = ("adaptive", "static")
STATIC = 1 << 31  # in the settings of a header


class LatentCodec(FileCodec):
    """Two networks, a quantizer, an entropy model: see the module. `fit` and `load` make one.

    Args:
        arrays: dict of arrays as `latent_fit.fit_arrays` makes it.
        sha256: str, of the file that holds them, in hexadecimal; files name their weights by it.
        model: str, what files call the model.
        networks: function that gives (g_a, g_s), called when they are first needed: not to read latents.
        name: str, what tables call it.
        entropy_model: "adaptive" or "static", for files that are written; both are read.

    Attributes:
        settings: tuple of steps of a rate-distortion curve, low rates first.
    """

    def __init__(self, arrays, sha256, model, networks, name=None, entropy_model="adaptive"):
        check_entropy_model(entropy_model)
        check_arrays(arrays)
        self.model, self.name, self.entropy_model = model, name or model, entropy_model
        self.weights_name = f"{model}.npz"  # whose training record tables name, if there is one
        self.weights_sha256, self._networks = sha256, networks
        self.stride, exponent = (int(n) for n in arrays["stride_and_exponent"])
        self.unit = 2.0 ** (exponent - grids.STEP_BITS)
        self.centre = arrays["centre"]
        self.settings = tuple(float(step) for step in arrays["settings"])
        self.tables, self.table_steps = arrays["tables"], arrays["table_steps"]
        self.factors = arrays.get("factors")  # steps of the maps, over the codec's, at the `table_steps`
        self.context_model = ContextModel(**{key: arrays[f"contexts/{key}"] for key in ContextModel.__annotations__})

    @classmethod
    def fit(cls, g_a, g_s, training_pictures, name, entropy_model="adaptive", settings=None):
        """A codec of two networks.

        Args:
            g_a: Keras model, (b, h, w, c) -> (b, h / stride, w / stride, maps), channels last, levels from 0 to 1; c
                is 3 for RGB, or 1 to be given Y, Cr and Cb one after the other; any power of two as stride.
            g_s: Keras model, the way back.
            training_pictures: sequence of uint8 arrays (h, w, 3) or (h, w), not those to be compared on.
            name: str, what files and tables call the model, ASCII.
            entropy_model: "adaptive" contexts or "static" tables.
            settings: steps of its rate-distortion curve; by default, steps half an octave apart for about 0.1 to 3 bits
                a pixel.

        Raises:
            ValueError: the networks are not what is needed, or an argument is not; says what to change.
            PictureError: a picture is none.
        """
        from cae_compress.latent_codec import network_pair
        from cae_compress.latent_codec.fit import fit_arrays

        check_entropy_model(entropy_model)
        if not (isinstance(name, str) and name.isascii() and name.isprintable() and 0 < len(name) < 256):
            raise ValueError(f"name must be 1 to 255 printable ASCII characters, got {name!r}")
        arrays = {**fit_arrays(g_a, g_s, training_pictures, settings), **network_pair.to_arrays(g_a, g_s)}
        file = io.BytesIO()
        np.savez_compressed(file, name=np.array(name), **arrays)
        return cls._from_bytes(file.getvalue(), entropy_model)

    @classmethod
    def of_weights(cls, name, networks, entropy_model):
        """The codec of weights that ship, or of an .npz file as their `export` writes it.

        Args:
            name: as `weights.load` takes it.
            networks: function of the arrays that gives (g_a, g_s).
            entropy_model: as the class takes it.

        Raises:
            FileNotFoundError: there are no such weights.
        """
        arrays, sha256 = weights.load(name)
        return cls(arrays, sha256, Path(name).stem, lambda: networks(arrays), entropy_model=entropy_model)

    def save(self, path):
        """Write networks and all else into one .npz file, without any code; errors of writing a file."""
        if not hasattr(self, "_data"):
            raise ValueError(f"{self.model} ships with the package already")
        Path(path).write_bytes(self._data)

    @classmethod
    def load(cls, path, entropy_model="adaptive"):
        """The codec that `save` wrote; files made with it decode as before.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a file of `save`; or, when a network is first needed, it has layers of yours that are
                not registered in this process.
        """
        check_entropy_model(entropy_model)
        data = Path(path).read_bytes()
        try:
            return cls._from_bytes(data, entropy_model)
        except (KeyError, OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: damaged, or not a codec that LatentCodec.save wrote: {error}") from error

    @classmethod
    def _from_bytes(cls, data, entropy_model):
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = dict(file)

        def networks():
            from cae_compress.latent_codec import network_pair

            return network_pair.from_arrays(arrays)

        name = str(arrays.pop("name"))
        codec = cls(arrays, hashlib.sha256(data).hexdigest(), name, networks, entropy_model=entropy_model)
        codec._data = data
        return codec

    @loading.network
    def pair(self):
        """The networks, a `network_pair.NetworkPair`, loaded with TensorFlow when first needed."""
        from cae_compress.latent_codec.network_pair import NetworkPair

        return NetworkPair(*self._networks())

    def setting_of_quality(self, quality):
        """Quality 1 to 100 -> a step between the ends of `settings`; raises ValueError if it is out of range."""
        share = (number("quality", quality, 1, 100) - 1) / 99
        return float(self.settings[0] ** (1 - share) * self.settings[-1] ** share)

    def encode(self, image, setting):
        """Code a picture.

        Args:
            image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
            setting: float, the step of the quantizer, in units of the latents.

        Returns:
            bytes of a .cae file (`bitstream`).

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `setting` is out of range, or the latents are not finite.
        """
        image = pictures.as_rgb(image)
        step = round(number("setting", setting, self.unit * grids.MIN_STEP, self.unit * grids.MAX_STEP) / self.unit)
        settings = step | STATIC * (self.entropy_model == "static")
        coder = self._coder(settings)
        coder.code(self.quantize(self.pair.analyse(image), step))
        header = bitstream.Header(self.model, self.weights_id, image.shape[1], image.shape[0], settings)
        return bitstream.write(header, coder.finish())

    def decode_payload(self, header, payload):
        """`decode` for a file that `bitstream.read` has taken apart."""
        y_hat = self.dequantize(self.decode_latents(header, payload), header.settings & grids.MAX_STEP)
        return self.pair.synthesise(y_hat, header.height, header.width)

    def setting_text(self, header):
        """The step, as in "step 0.5", in units of the latents, and the entropy model."""
        kind = "static" if header.settings & STATIC else "adaptive"
        return f"step {(header.settings & grids.MAX_STEP) * self.unit:.4g}, {kind} entropy model"

    def decode_latents(self, header, payload):
        """The quantized latents of a file, decoded in integers alone: int32 (rows, columns, planes, maps).

        Raises:
            BitstreamError: the file is of another model, or not what an encoder writes.
        """
        return self._decode(header, payload)[0]

    def sections(self, header, payload):
        """Where the bytes of a payload go: dict from section to bytes, fractions included; raises BitstreamError."""
        _, coder = self._decode(header, payload)
        sections = {"maps in use": coder.side_bits / 8, f"latents, {coder.kind}": coder.latent_bits / 8}
        return {**sections, "end of stream": len(payload) - sum(sections.values())}

    def estimate_bpp(self, header, payload):
        """Zero-order entropy of each map, in bits a pixel; twice, as there is no side information."""
        q = self.decode_latents(header, payload)
        by_map = q.reshape(-1, self.centre.size).T[None]
        estimate, _ = entropy.estimate_bpp(by_map, header.width * header.height)
        return estimate, estimate

    def _decode(self, header, payload):
        bitstream.check_model(header, self.model, self.weights_id)
        if header.settings & grids.MAX_STEP < grids.MIN_STEP:
            raise BitstreamError(f"impossible settings: {header.settings:#010x}")
        rows, columns = -(-header.height // self.stride), -(-header.width // self.stride)
        coder, q = self._coder(header.settings, payload), np.zeros((rows, columns, *self.centre.shape), np.int32)
        coder.code(q)
        return q, coder

    def _coder(self, settings, payload=None):
        step = settings & grids.MAX_STEP
        if settings & STATIC:
            return GridCoder(step, tables=grids.at_step(self.tables, self.table_steps, step), data=payload)
        return GridCoder(step, model=self.context_model, data=payload)

    def quantize(self, y, step):
        """y, float32 (rows, columns, planes, maps) -> q, int32 likewise; `step` in units of 2**(exponent - 16)."""
        return grids.quantize(y, self.centre, self.steps_at(step))

    def dequantize(self, q, step):
        """q -> y_hat, float32 (rows, columns, planes, maps)."""
        return (self.centre + q * np.float32(self.steps_at(step))).astype(np.float32)

    def steps_at(self, step):
        """The step of each map, float (planes, maps), or one for all, in units of the latents, at a codec's step."""
        if self.factors is None:
            return step * self.unit
        return step * self.unit * grids.between(np.log2(self.table_steps), self.factors, np.log2(step))


def check_entropy_model(name):
    """Raise ValueError unless there is such a model."""
    if name not in ENTROPY_MODELS:
        raise ValueError(f"entropy_model must be one of {ENTROPY_MODELS}, got {name!r}")


def check_arrays(arrays):
    """Raise ValueError unless arrays are what compiled code, which does not look where they end, can read."""
    centre, steps = arrays["centre"], arrays["table_steps"]
    if centre.ndim != 2 or steps.ndim != 1 or not len(steps):
        raise ValueError("centres or steps are of a wrong shape")
    needed = {
        "tables": ((len(steps), *centre.shape, SLOTS), np.uint16),
        "contexts/mean_weights": ((*centre.shape, contexts.MEAN_INPUTS), np.int32),
        "contexts/magnitude_weights": ((*centre.shape, contexts.MAGNITUDE_INPUTS), np.int32),
        "contexts/average_magnitudes": (centre.shape, np.int64),
        "contexts/probabilities": ((contexts.NUM_CONTEXTS,), np.uint16),
    }
    if "factors" in arrays:  # only where the maps have steps of their own
        needed["factors"] = (len(steps), *centre.shape), np.float32
    for name, (shape, dtype) in needed.items():
        if (arrays[name].shape, arrays[name].dtype) != (shape, dtype):
            raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}, not {np.dtype(dtype)} {shape}")
