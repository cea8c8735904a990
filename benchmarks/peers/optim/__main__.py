"""Optimizer steps beside other libraries and the memory: python benchmarks/peers/optim --help"""

import sys
from pathlib import Path

# behind the modules of this folder: `machine` is shared
sys.path.append(str(Path(__file__).resolve().parents[1]))

from runner import main

if __name__ == "__main__":
    sys.exit(main())
