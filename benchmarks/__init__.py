"""The agent against mongod itself, side by side in one run. `bin/bench` does the setting up and then calls this."""

import sys
from pathlib import Path

# The collection lies in its own repository by a link, under the name by which its plugins import each other.
sys.path.append(str(Path(__file__).parents[1] / ".ansible/collections"))
