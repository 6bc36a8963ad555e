"""The process from which Spark forks Python workers: it imports what a task needs once, for all of them.

No thread survives a fork, so nothing that starts one may be used here.
"""

from pyspark import daemon

import streaming_jobs.batch.task  # noqa: F401
from conf.runtime.logs import configure_logging

if __name__ == "__main__":
    configure_logging()
    daemon.manager()
