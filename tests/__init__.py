"""The environment of a test run, set before any library is imported and inherited by what tests start."""

import os
import sys

# Every process that a test starts would compile its libraries again, which more than doubles its CPU time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A JVM of a test lives for minutes: the optimising compiler would cost more CPU time than it saves.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1")
# Two workers share the cores: threads of linear algebra that wait for each other double the CPU of a fit.
os.environ.setdefault("OMP_NUM_THREADS", "1")
