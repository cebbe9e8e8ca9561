"""Stands in for the script that ansible-test would download; bin/test fills in the version and puts it into the cache."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = "pip==@VERSION@"
# The real script understands these two; pip does not.
FOR_THE_REAL_SCRIPT = ("--no-setuptools", "--no-wheel")

arguments = [argument for argument in sys.argv[1:] if argument not in FOR_THE_REAL_SCRIPT]
sys.path.insert(0, os.path.join(HERE, "pip-@VERSION@-py3-none-any.whl"))
sys.argv = ["pip", "install", "--upgrade", "--no-index", "--find-links", HERE, WANTED, *arguments]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
