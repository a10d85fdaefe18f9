"""What the notebooks need to ask something of their readers: exercises with checks, predictions, photos, controls.

check("3.1", fn)     runs a reader's function beside the library's on fixed inputs and says what came out
hint("3.1")          a hint; solution("3.1") prints a solution
predict(...)         keeps a guess until the answer is there
open_photo(PHOTO)    the reader's own picture, or the notebook's
explore(draw, ...)   a still picture, and controls that draw it anew
"""

from cae_compress.lab.teaching.checking import check, hint, solution
from cae_compress.lab.teaching.controls import explore
from cae_compress.lab.teaching.photos import claim, detail, open_photo
from cae_compress.lab.teaching.predictions import predict

__all__ = ["check", "claim", "detail", "explore", "hint", "open_photo", "predict", "solution"]
