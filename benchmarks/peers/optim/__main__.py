"""Compare optimizer steps with other libraries: python benchmarks/peers/optim --help"""

import sys
from pathlib import Path

# after the modules of this folder on the path: `machine` is shared
sys.path.append(str(Path(__file__).resolve().parents[1]))

from runner import main

if __name__ == "__main__":
    sys.exit(main())
