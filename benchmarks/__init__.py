"""The agent against mongod itself, side by side in one run. `bin/bench` does the setting up and then calls this."""
