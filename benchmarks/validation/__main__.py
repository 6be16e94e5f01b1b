"""`python -m benchmarks.validation [--quick]`."""

import sys

from benchmarks.validation.page import main

if __name__ == "__main__":
    main(sys.argv[1:])
