import pathlib
import sys

# Benchmarks are scripts that import their neighbours; last, so that nothing of theirs takes the place of another.
sys.path.append(str(pathlib.Path(__file__).parent.parent.parent / "bench"))
