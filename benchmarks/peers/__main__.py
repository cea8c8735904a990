"""Compare fastridge with other libraries at equal accuracy: python benchmarks/peers --help"""

import os
import sys

# largest number of threads of a run; libraries read these once, at import
_most = str(os.cpu_count() or 1)
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = _most

from runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
