"""Exit codes of every command and service; supervisord.conf and run.sh use the same numbers."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Meanings: MEANINGS below."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    MISSING = 3
    NOT_RUNNING = 4
    REFUSED = 5
    TIME_LIMIT = 124
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done, or nothing was due",
    ExitCode.FAILED: "a check or a job failed",
    ExitCode.USAGE: "wrong usage: unknown verb, option or value",
    ExitCode.MISSING: "something is missing: Python, Java, a free port, secrets, data to learn from",
    ExitCode.NOT_RUNNING: "a service that is needed does not run or does not answer",
    ExitCode.REFUSED: "refused for safety: a lock is held, or checkpoint, tables and Kafka disagree",
    ExitCode.TIME_LIMIT: "the time limit was reached",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; the same command continues where it stopped if it can",
}
