"""`python -m rltf` is `rltf`."""

import sys

from rltf.entry import main

if __name__ == "__main__":
    sys.exit(main())
