"""The library, called by ctypes. All other modules use only Python types.

ctypes hands over what it is given: a number where C reads an address ends the process. So every argument is checked here
against the table of functions, which the tests compare with the header, before anything is called.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import json
import math
import os
import platform
import sys
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from . import errors

NAMES = {"darwin": "libsocialchannel.dylib"}
VARIABLE = "SOCIAL_CHANNEL_LIBRARY"
VERSION = (0, 1)
FOREVER = 2**64 - 1

# The parameters of each function between the host and the outputs: text, or the kind after the colon; `?` may be None.
ANSWERING = {
    "host_work": "longest_ms:ms",
    "host_load_provider": "component:bytes",
    "host_load_provider_file": "path",
    "host_add_provider": "source",
    "host_check_provider": "provider source?",
    "host_update_provider": "provider source?",
    "host_roll_back_provider": "provider",
    "host_inspect_provider": "component:bytes",
    "host_list_providers": "",
    "host_put_app": "app config",
    "host_list_apps": "",
    "host_get_app": "app",
    "host_check_app": "app",
    "host_get_doubts": "",
    "host_get_app_guide": "app",
    "host_begin_connect": "tenant? app options",
    "host_import_channels": "tenant? app import",
    "host_complete_connect": "tenant? owner callback",
    "host_choose_account": "tenant? owner choice account_id",
    "host_list_channels": "tenant?",
    "host_get_channel": "tenant? channel",
    "host_disconnect": "tenant? channel",
    "host_get_profile": "tenant? channel",
    "host_get_stats": "tenant? channel",
    "host_list_posts": "tenant? channel query",
    "host_get_posts": "tenant? channel ids",
    "host_get_publish_form": "tenant? channel",
    "host_check_post": "tenant? channel request",
    "host_publish": "tenant? channel request",
    "host_list_jobs": "tenant? query",
    "host_get_job": "tenant? job",
    "host_wait_for_job": "tenant? job longest_ms:ms",
    "host_list_events": "tenant? query longest_ms:ms",
    "host_cancel_job": "tenant? job",
    "host_resume_job": "tenant? job",
    "host_change_job": "tenant? job change",
    "host_retry_job": "tenant? job looked:flag",
    "host_resolve_job": "tenant? job found",
    "host_get_job_history": "tenant? job",
}
SILENT = {
    "host_shutdown": "longest_ms:ms",
    "host_unload_provider": "provider",
    "host_delete_app": "app",
}
_KINDS = {"text": [c_char_p], "bytes": [c_char_p, c_size_t], "ms": [c_uint64], "flag": [c_bool]}
_STATUS = c_int
_ERROR = POINTER(c_void_p)


def parameters(line: str) -> list[tuple[str, str, bool]]:
    """The names, kinds and whether None is allowed."""
    found = []
    for one in line.split():
        name, _, kind = one.partition(":")
        found.append((name.rstrip("?"), kind or "text", name.endswith("?")))
    return found


@functools.cache
def library() -> ctypes.CDLL:
    """Finds and loads the library, once: the path in SOCIAL_CHANNEL_LIBRARY, otherwise this package's library, otherwise
    the system's."""
    found = _find()
    built = _other_machine(found)
    if built is not None:
        raise ImportError(
            f"the library {found} is built for {built}, and this is {platform.machine()}: install the one for this machine, and "
            f"name it in {VARIABLE}"
        )
    try:
        loaded = ctypes.CDLL(found)
    except OSError as error:
        raise ImportError(
            f"the library {found} does not load: {error}; install one that is built for this machine "
            f"({platform.system()}, {platform.machine()}) and its C library, and name it in {VARIABLE}"
        ) from error
    try:
        loaded.socialchannel_version_number.argtypes = []
        loaded.socialchannel_version_number.restype = c_uint32
        loaded.socialchannel_version_text.argtypes = []
        loaded.socialchannel_version_text.restype = c_char_p
    except AttributeError as error:
        raise ImportError(f"{found} is not libsocialchannel; correct {VARIABLE}") from error
    # Checked first: a library of another version may lack functions, or have other parameters.
    number = loaded.socialchannel_version_number()
    if (number // 1_000_000, number // 1_000 % 1_000) != VERSION:
        raise ImportError(
            f"the library {found} is version {loaded.socialchannel_version_text().decode()}, and this package needs "
            f"{VERSION[0]}.{VERSION[1]}: install a library and a package of the same version"
        )
    try:
        _declare(loaded)
    except AttributeError as error:
        raise ImportError(f"the library {found} is older than this package ({error}): install both in one version") from error
    return loaded


def _find() -> str:
    name = NAMES.get(sys.platform, "libsocialchannel.so")
    named = os.environ.get(VARIABLE)
    beside = str(Path(__file__).parent / name)
    # A missing path is an error: silently using another library, perhaps of another version, would be surprising.
    found = named or (beside if Path(beside).is_file() else ctypes.util.find_library("socialchannel"))
    if found is None:
        raise ImportError(
            f"{name} is neither at {beside} nor where the system looks; install the wheel, or name the library in {VARIABLE}"
        )
    if named and os.sep in named and not Path(named).is_file():
        raise ImportError(f"{VARIABLE} names {named}, and there is no such file; correct it")
    return found


def _other_machine(path: str) -> str | None:
    """The target of an ELF file, if it differs from this machine. The system's loader only says that it is missing."""
    heads = []
    for one in (path, "/proc/self/exe"):
        try:
            with open(one, "rb") as file:
                heads.append(file.read(20))
        except OSError:
            return None
    if any(len(head) < 20 or not head.startswith(b"\x7fELF") for head in heads) or heads[0][18:] == heads[1][18:]:
        return None
    number = int.from_bytes(heads[0][18:], "big" if heads[0][5] == 2 else "little")
    return {3: "i386", 21: "ppc64", 22: "s390", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}.get(
        number, f"ELF machine {number}"
    )


def signatures() -> dict[str, tuple[Any, list[Any]]]:
    """What each function that is called returns and takes, which the tests compare with the header."""
    out = POINTER(c_void_p)
    found: dict[str, tuple[Any, list[Any]]] = {
        "error_json": (c_char_p, [c_void_p]),
        "error_free": (None, [c_void_p]),
        "host_free": (None, [c_void_p]),
        "string_free": (None, [c_void_p]),
        "bytes_free": (None, [c_void_p, c_size_t]),
        "host_open": (_STATUS, [c_char_p, out, _ERROR]),
        "new_key": (_STATUS, [out, _ERROR]),
        "log_level": (_STATUS, [c_char_p, _ERROR]),
        "log_read": (_STATUS, [c_uint64, c_uint32, out, _ERROR]),
        "host_rotate_keys": (_STATUS, [c_void_p, POINTER(c_uint64), _ERROR]),
        "host_receive_webhook": (
            _STATUS,
            [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t, out, out, POINTER(c_size_t), _ERROR],
        ),
    }
    for table, outputs in ((ANSWERING, [out, _ERROR]), (SILENT, [_ERROR])):
        for name, line in table.items():
            inputs = [kind for _, word, _ in parameters(line) for kind in _KINDS[word]]
            found[name] = (_STATUS, [c_void_p, *inputs, *outputs])
    return found


def _declare(loaded: ctypes.CDLL) -> None:
    for name, (result, arguments) in signatures().items():
        function = getattr(loaded, f"socialchannel_{name}")
        function.restype, function.argtypes = result, arguments


def check(status: int, error: c_void_p) -> None:
    """Raises the exception of a status and its error."""
    if status == 0:
        return
    loaded = library()
    try:
        said = loaded.socialchannel_error_json(error)
        document = json.loads(said) if said else {"message": f"the library answered {status}"}
    finally:
        loaded.socialchannel_error_free(error)
    raise errors.of(status, document)


def invalid(name: str, message: str, code: str) -> errors.InvalidArgument:
    """The error for an argument of the right type with an invalid value."""
    document = {"kind": "invalid_argument", "message": f"`{name}` {message}", "code": code, "field": name}
    return errors.InvalidArgument(document)


def _wrong(name: str, wanted: str, value: Any) -> TypeError:
    return TypeError(f"`{name}` must be {wanted}, and {type(value).__name__} was given")


def text(name: str, value: Any, absent: bool = False) -> bytes | None:
    """Text as a C string. A NUL would truncate it silently."""
    if value is None and absent:
        return None
    if not isinstance(value, str):
        raise _wrong(name, "str or None" if absent else "str", value)
    if "\0" in value:
        raise invalid(name, "holds a NUL character; give text without", "nul_byte")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise invalid(name, "holds half of a character (a lone surrogate); give whole text", "invalid_utf8") from None


def data(name: str, value: Any) -> bytes:
    """Bytes, copied if they could change during the call."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise _wrong(name, "bytes", value)


def milliseconds(name: str, value: Any) -> int:
    """A duration. If it is too long for C, it becomes FOREVER."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, "a number of milliseconds", value)
    if math.isnan(value) or value < 0:
        raise invalid(name, f"is {value}; give 0 or more milliseconds", "out_of_range")
    return FOREVER if value >= FOREVER else int(value)


def flag(name: str, value: Any) -> bool:
    """A boolean; 0, an empty text and None are refused."""
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _given(line: str, arguments: tuple[Any, ...]) -> list[Any]:
    given: list[Any] = []
    for (name, kind, absent), value in zip(parameters(line), arguments, strict=True):
        if kind == "text":
            given.append(text(name, value, absent))
        elif kind == "bytes":
            taken = data(name, value)
            given += [taken, len(taken)]
        elif kind == "ms":
            given.append(milliseconds(name, value))
        else:
            given.append(flag(name, value))
    return given


def _open(host: c_void_p | None) -> c_void_p:
    if host is None:
        message = "the host is closed; open another"
        raise errors.InvalidArgument({"kind": "invalid_argument", "message": message, "code": "freed_handle"})
    return host


def call(name: str, host: c_void_p | None, *arguments: Any) -> Any:
    """Calls `socialchannel_<name>` with texts, bytes, numbers and flags, and returns the parsed JSON result. The
    GIL is released during the call."""
    answers = name in ANSWERING
    given = _given(ANSWERING[name] if answers else SILENT[name], arguments)
    function = getattr(library(), f"socialchannel_{name}")
    error, out = c_void_p(), c_void_p()
    outputs = [byref(out), byref(error)] if answers else [byref(error)]
    check(function(_open(host), *given, *outputs), error)
    return json.loads(_take(out)) if answers else None


def _take(out: c_void_p) -> bytes:
    try:
        return ctypes.string_at(out.value)
    finally:
        library().socialchannel_string_free(out)


def open_host(config: str) -> c_void_p:
    """Opens a host."""
    host, error = c_void_p(), c_void_p()
    given = text("config", config)
    check(library().socialchannel_host_open(given, byref(host), byref(error)), error)
    return host


def new_key() -> str:
    """Generates a master key."""
    out, error = c_void_p(), c_void_p()
    check(library().socialchannel_new_key(byref(out), byref(error)), error)
    return _take(out).decode()


def log_level(level: Any) -> None:
    """How much the library notes."""
    error = c_void_p()
    check(library().socialchannel_log_level(text("level", level), byref(error)), error)


def read_log(after: int, limit: int) -> list[dict[str, Any]]:
    """What the library noted after a line of this number."""
    out, error = c_void_p(), c_void_p()
    check(library().socialchannel_log_read(after, limit, byref(out), byref(error)), error)
    return json.loads(_take(out))


def rotate_keys(host: c_void_p | None) -> int:
    """Encrypts everything again."""
    changed, error = c_uint64(), c_void_p()
    check(library().socialchannel_host_rotate_keys(_open(host), byref(changed), byref(error)), error)
    return changed.value


def receive_webhook(host: c_void_p | None, app: Any, request: str, body: Any) -> tuple[Any, bytes]:
    """Passes in a webhook; returns the reply and the response body."""
    reply, answer, length, error = c_void_p(), c_void_p(), c_size_t(), c_void_p()
    name, head, taken = text("app", app), text("request", request), data("body", body)
    loaded = library()
    status = loaded.socialchannel_host_receive_webhook(
        _open(host), name, head, taken, len(taken), byref(reply), byref(answer), byref(length), byref(error)
    )
    check(status, error)
    try:
        return json.loads(ctypes.string_at(reply.value)), ctypes.string_at(answer.value, length.value)
    finally:
        loaded.socialchannel_string_free(reply)
        loaded.socialchannel_bytes_free(answer, length)
