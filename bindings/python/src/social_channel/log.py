"""The library's log, for `logging`: what it has to say besides results and errors."""

from __future__ import annotations

import logging
import threading

from . import _library

_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO}
_lock = threading.Lock()
_read = 0


def log_level(level: str) -> None:
    """How much the library notes from now on, in this process: `off`, `error`, `warn`, `info` (as it begins), `debug` or
    `trace`."""
    _library.log_level(level)


def forward_log(logger: logging.Logger | None = None) -> int:
    """Hands what the library noted since the last call to a logger, `social_channel` by default; returns how many lines.

    Call it now and then, such as after `work()`. The newest lines are kept in memory until then, about 1 MiB of them. What a
    line is about stands in the record's `social_channel`: `job`, `channel`, `error` and the like.
    """
    global _read
    to = logger or logging.getLogger("social_channel")
    count = 0
    # One reader at a time, so that no line is handed on twice.
    with _lock:
        while entries := _library.read_log(_read, 1000):
            for entry in entries:
                _read = entry["number"]
                count += 1
                _hand_on(to, entry)
    return count


def _hand_on(logger: logging.Logger, entry: dict) -> None:
    level = _LEVELS.get(entry["level"], logging.DEBUG)
    if not logger.isEnabledFor(level):
        return
    about = "".join(f" {name}={value}" for name, value in entry["fields"].items())
    record = logger.makeRecord(
        logger.name, level, entry["target"], 0, "%s%s", (entry["message"], about), None, extra={"social_channel": entry["fields"]}
    )
    # When it happened, not when it was read.
    record.created = entry["at_ms"] / 1000
    record.msecs = float(entry["at_ms"] % 1000)
    logger.handle(record)
