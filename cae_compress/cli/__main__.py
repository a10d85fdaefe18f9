"""`python -m cae_compress.cli`."""

import sys

from cae_compress.cli import main

if __name__ == "__main__":
    sys.exit(main())
