"""Compare an epoch of SGD with other libraries: python benchmarks/peers/sgd --help"""

import os
import sys
from pathlib import Path

# libraries read these once, at import; an epoch goes row by row
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# after the modules of this folder on the path: `machine` is shared
sys.path.append(str(Path(__file__).resolve().parents[1]))

from runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
