"""The library, called by ctypes. Everything above this file speaks Python only."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import json
import os
import sys
from ctypes import byref, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from . import errors

NAMES = {"darwin": "libsocialchannel.dylib"}
VERSION = (0, 1)


@functools.cache
def library() -> ctypes.CDLL:
    """Finds and loads the library, once: the one named by SOCIAL_CHANNEL_LIBRARY, else the one in this package, else
    the system's."""
    name = NAMES.get(sys.platform, "libsocialchannel.so")
    tried = [os.environ.get("SOCIAL_CHANNEL_LIBRARY"), str(Path(__file__).parent / name)]
    found = next((path for path in tried if path and Path(path).is_file()), None)
    found = found or ctypes.util.find_library("socialchannel")
    if found is None:
        raise ImportError(
            f"{name} is neither at {' nor at '.join(path for path in tried if path)} nor where the system looks; install "
            "the wheel, or name the library in SOCIAL_CHANNEL_LIBRARY"
        )
    loaded = ctypes.CDLL(found)
    for text in ("version_text",):
        getattr(loaded, f"socialchannel_{text}").restype = c_char_p
    loaded.socialchannel_version_number.restype = c_uint32
    loaded.socialchannel_error_json.restype = c_char_p
    loaded.socialchannel_error_json.argtypes = [c_void_p]
    for name in ("error_free", "host_free", "string_free"):
        getattr(loaded, f"socialchannel_{name}").argtypes = [c_void_p]
        getattr(loaded, f"socialchannel_{name}").restype = None
    loaded.socialchannel_bytes_free.argtypes = [c_void_p, c_size_t]
    loaded.socialchannel_bytes_free.restype = None
    number = loaded.socialchannel_version_number()
    if (number // 1_000_000, number // 1_000 % 1_000) != VERSION:
        raise ImportError(f"{found} has version {number}, this package needs {VERSION[0]}.{VERSION[1]}")
    return loaded


def check(status: int, error: c_void_p) -> None:
    """Raises what a status and its error say."""
    if status == 0:
        return
    loaded = library()
    try:
        text = loaded.socialchannel_error_json(error)
        document = json.loads(text) if text else {"message": f"the library answered {status}"}
    finally:
        loaded.socialchannel_error_free(error)
    raise errors.of(status, document)


def text(value: str | None) -> bytes | None:
    """Text as C reads it. A NUL would cut it short without a word."""
    if value is None:
        return None
    if "\0" in value:
        raise errors.InvalidArgument({"kind": "invalid_argument", "message": "a text holds a NUL", "code": "invalid_utf8"})
    return value.encode()


def call(name: str, *arguments: Any, answers: bool = True) -> Any:
    """Calls `socialchannel_<name>`; texts, numbers and flags go in, the JSON that comes out is returned. The
    interpreter's lock is released meanwhile."""
    loaded = library()
    given = [text(one) if isinstance(one, str) else one for one in arguments]
    error, out = c_void_p(), c_void_p()
    outputs = [byref(out), byref(error)] if answers else [byref(error)]
    check(getattr(loaded, f"socialchannel_{name}")(*given, *outputs), error)
    if not answers:
        return None
    try:
        return json.loads(ctypes.string_at(out.value))
    finally:
        loaded.socialchannel_string_free(out)


def open_host(config: str) -> c_void_p:
    """Opens a host."""
    host, error = c_void_p(), c_void_p()
    check(library().socialchannel_host_open(text(config), byref(host), byref(error)), error)
    return host


def new_key() -> str:
    """Makes a master key."""
    out, error = c_void_p(), c_void_p()
    check(library().socialchannel_new_key(byref(out), byref(error)), error)
    try:
        return ctypes.string_at(out.value).decode()
    finally:
        library().socialchannel_string_free(out)


def rotate_keys(host: c_void_p) -> int:
    """Encrypts everything anew."""
    changed, error = c_uint64(), c_void_p()
    check(library().socialchannel_host_rotate_keys(host, byref(changed), byref(error)), error)
    return changed.value


def receive_webhook(host: c_void_p, app: str, request: str, body: bytes) -> tuple[Any, bytes]:
    """Hands in a platform's call; the reply and the bytes to answer."""
    reply, answer, length, error = c_void_p(), c_void_p(), c_size_t(), c_void_p()
    loaded = library()
    status = loaded.socialchannel_host_receive_webhook(
        host, text(app), text(request), body, c_size_t(len(body)), byref(reply), byref(answer), byref(length), byref(error)
    )
    check(status, error)
    try:
        return json.loads(ctypes.string_at(reply.value)), ctypes.string_at(answer.value, length.value)
    finally:
        loaded.socialchannel_string_free(reply)
        loaded.socialchannel_bytes_free(answer, length)
