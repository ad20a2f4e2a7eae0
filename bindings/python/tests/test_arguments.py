"""Arguments are checked before they reach the library: no argument of any type crashes the process."""

import ctypes
import decimal
import inspect
import math
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import ROOT
from social_channel import FOREVER, Host, Tenant, _library, errors

HEADER = ROOT / "bindings/c/include/social_channel.h"

# Values of many Python types: numbers that C would read as addresses, falsy values, almost valid ones.
ODD = [
    None, True, False, 0, 7, 42, -1, 2**63, 2**64, 10**30, 1.5, math.nan, math.inf, 1j, decimal.Decimal("1"),
    "", "a\0b", "\ud83d", "a\r\nX: 1", "x" * 100_000, b"", b"a\0b", bytearray(b"x"), memoryview(b"x"), (), [], {}, [1], ["\0"],
    {1: 2}, {"a": object()}, {"a": {1}}, set(), range(3), object(), object, len, lambda: 1, Path("x"), Ellipsis, NotImplemented,
    sys, Exception("x"), iter([]), slice(1), type, os.environ,
]  # fmt: skip
REFUSED = (TypeError, ValueError, errors.SocialChannelError, RecursionError, OSError, AttributeError)


def calls(thing):
    """Every public call of a host or a tenant, by name, with its parameters."""
    for name, call in inspect.getmembers(thing, callable):
        if not name.startswith("_") and name not in ("close", "tenant", "shutdown", "follow"):
            yield name, call, list(inspect.signature(call).parameters.values())


CHILD = """
import inspect, sys
sys.path.insert(0, {tests!r})
import test_arguments as this
from social_channel import Host
host = Host()
ran = 0
for thing in (host, host.tenant()):
    for name, call, parameters in this.calls(thing):
        for at, odd in enumerate(this.ODD):
            if name == "work" and odd in (this.math.inf, 2**63, 2**64, 10**30, 42, 7):
                continue
            for which in range(max(1, len(parameters))):
                given = ["x" if other != which else odd for other in range(len(parameters))]
                plain = {{}}
                args = []
                for parameter, value in zip(parameters, given):
                    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                        plain[parameter.name] = value
                    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                        plain["any"] = value
                    else:
                        args.append(value)
                try:
                    call(*args, **plain)
                except this.REFUSED:
                    pass
                ran += 1
host.close()
print(ran)
"""


def test_no_argument_of_any_type_ends_the_process():
    child = CHILD.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", child], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 2000


@pytest.mark.parametrize("odd", [42, 7, True, 1.5, b"x", ["x"], object(), Path("x")], ids=lambda odd: type(odd).__name__)
def test_text_of_another_type_is_a_type_error_that_names_the_parameter(odd):
    with Host() as host:
        tenant = host.tenant()
        for call, name in [
            (lambda: tenant.channel(odd), "channel"),
            (lambda: tenant.job(odd), "job"),
            (lambda: tenant.wait_for_job(odd, 1), "job"),
            (lambda: host.app(odd), "app"),
            (lambda: host.tenant(odd), "tenant"),
            (lambda: host.unload_provider(odd), "provider"),
            (lambda: tenant.complete_connect(odd, "x"), "owner"),
            (lambda: tenant.complete_connect("x", odd), "callback"),
            (lambda: host.receive_webhook(odd, b"x"), "app"),
        ]:
            with pytest.raises(TypeError, match=f"`{name}` must be str.* and {type(odd).__name__} was given"):
                call()


def test_bytes_numbers_and_flags_have_their_types():
    with Host() as host:
        tenant = host.tenant()
        for odd in ("text", 3, None, ["x"]):
            with pytest.raises(TypeError, match="`component` must be bytes"):
                host.load_provider(odd)
            with pytest.raises(TypeError, match="`body` must be bytes"):
                host.receive_webhook("x", odd)
        for odd in ("1", None, True, b"1", decimal.Decimal("1")):
            with pytest.raises(TypeError, match="`longest_ms` must be a number"):
                host.work(odd)
        for odd in (-1, math.nan, -math.inf):
            with pytest.raises(errors.InvalidArgument, match="`longest_ms` is"):
                host.work(odd)
        for odd in (0, 1, None, "yes"):
            with pytest.raises(TypeError, match="`looked` must be True or False"):
                tenant.retry_job("job", odd)
        with pytest.raises(TypeError, match="`ids` must be a list"):
            tenant.get_posts("channel", "abc")
        with pytest.raises(errors.LoadFailed):
            host.load_provider(bytearray(b"no component"))


def test_what_is_no_document_is_a_type_error_that_names_its_type():
    with Host() as host:
        for odd in (object(), {1, 2}, b"x"):
            with pytest.raises(TypeError, match=f"a document takes text.*{type(odd).__name__} was given"):
                host.put_app("x", {"provider": odd})


@pytest.mark.parametrize("value", ["a\0b", "\ud83d"])
def test_text_that_is_no_text_is_refused_and_named(value):
    with Host() as host, pytest.raises(errors.InvalidArgument) as raised:
        host.tenant().channel(value)
    assert raised.value.field == "channel" and raised.value.code in ("nul_byte", "invalid_utf8")


def test_the_table_of_functions_is_that_of_the_header():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = {}
    for name, inner in re.findall(r"socialchannel_status socialchannel_(\w+)\(([^;]*)\);", text):
        declared[name] = [re.sub(r"\s+", " ", one).strip() for one in inner.split(",")]
    own = {"host_open", "host_open_with", "new_key", "host_rotate_keys", "host_receive_webhook"}
    table = _library.ANSWERING | _library.SILENT
    callable_ones = {name for name in declared if name.startswith("host_")} - own
    assert set(table) == callable_ones
    words = {"text": "const char *{}", "ms": "uint64_t {}", "flag": "bool {}", "bytes": "const uint8_t *{0}, size_t {0}_len"}
    for name, line in table.items():
        expected = ["const socialchannel_host *host"]
        for parameter, kind, _ in _library.parameters(line):
            expected += words[kind].format(parameter).split(", ")
        outputs = declared[name][len(expected) :]
        assert declared[name][: len(expected)] == expected, name
        assert outputs[-1] == "socialchannel_error **error_out" and len(outputs) == (2 if name in _library.ANSWERING else 1)


# Bytes and texts that a call takes, and everything that is only handed on or written.
C_TYPES = {
    "void": None,
    "bool": ctypes.c_bool,
    "size_t": ctypes.c_size_t,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "socialchannel_status": ctypes.c_int,
    "const char *": ctypes.c_char_p,
    "const uint8_t *": ctypes.c_char_p,
    "size_t *": ctypes.POINTER(ctypes.c_size_t),
    "uint64_t *": ctypes.POINTER(ctypes.c_uint64),
}


def c_type(written):
    """The type of a parameter as ctypes knows it."""
    if written in C_TYPES:
        return C_TYPES[written]
    assert written.endswith("*"), written
    return ctypes.POINTER(ctypes.c_void_p) if written.endswith("**") else ctypes.c_void_p


def test_every_function_that_is_called_is_declared_as_in_the_header():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    written = {}
    for result, name, inner in re.findall(r"^(\w[\w ]*?[ *]+)socialchannel_(\w+)\(([^;]*)\);", text, flags=re.M):
        parameters = [re.sub(r"\s+", " ", one).strip() for one in inner.split(",")]
        types = [] if parameters == ["void"] else [re.sub(r"\w+$", "", one).strip() for one in parameters]
        written[name] = (result.strip(), types)
    declared = _library.signatures()
    assert {"host_open", "log_level", "log_read", "host_rotate_keys", "host_receive_webhook"} <= set(declared)
    for name, (result, arguments) in declared.items():
        expected, types = written[name]
        assert (result, arguments) == (c_type(expected), [c_type(one) for one in types]), name
    sources = Path(_library.__file__).parent.glob("*.py")
    called = {name for source in sources for name in re.findall(r"\.socialchannel_(\w+)", source.read_text())}
    assert called <= set(declared) | {"version_number", "version_text"}


def test_where_only_a_worker_runs_jobs_a_wait_wants_its_time():
    with Host(background=False) as host:
        for forever in (FOREVER, math.inf, 10**30):
            with pytest.raises(errors.InvalidArgument) as raised:
                host.tenant().wait_for_job("none", forever)
            assert (raised.value.code, raised.value.field) == ("unbounded_wait", "longest_ms")
            assert "worker" in raised.value.remedy
        with pytest.raises(errors.NotFound):
            host.tenant().wait_for_job("none", 1_000)
    with Host() as host, pytest.raises(errors.NotFound):
        host.tenant().wait_for_job("none", FOREVER)


def test_a_closed_host_says_so(tmp_path):
    host = Host(data=tmp_path)
    host.close()
    for call in (host.apps, host.rotate_keys, lambda: host.receive_webhook("a", b""), lambda: host.tenant().channels()):
        with pytest.raises(errors.InvalidArgument, match="the host is closed"):
            call()


def test_tenants_follow_the_library_s_rule():
    with Host() as host:
        for good in ("a", "Customer-7", "a.b_c-D9", "x" * 64):
            assert host.tenant(good).channels() == []
        for bad in ("", " ", "a b", "a\n", "ä", "a/b", "x" * 65, "a\r\nX: 1"):
            with pytest.raises(errors.InvalidArgument) as raised:
                host.tenant(bad).channels()
            assert raised.value.field == "tenant"


def test_a_path_that_depends_on_where_the_program_runs_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for member in ("data", "database", "cache", "key_file", "media_folder"):
        for path in ("", ".", "data", "./data", "../data"):
            with pytest.raises(errors.InvalidRequest) as raised:
                Host(**{member: path})
            assert raised.value.field == member and raised.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "data", "warned"),
    [
        ("site/index.php", "site/data", True),
        ("site/index.php", "site", True),
        ("site/.htaccess", "site/a/b", True),
        ("site/public/index.php", "site/data", False),
    ],
)
def test_a_key_below_a_served_folder_is_warned_of(tmp_path, file, data, warned):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Host(data=tmp_path / data).close()
    assert any("master key" in str(one.message) for one in seen) == warned


def test_a_link_into_a_served_folder_is_warned_of(tmp_path):
    site = tmp_path / "site"
    (site / "data").mkdir(parents=True)
    (site / "index.php").touch()
    (tmp_path / "link").symlink_to(site / "data")
    with pytest.warns(UserWarning, match="master key"):
        Host(data=tmp_path / "link").close()


def test_nobody_cannot_begin_or_complete_a_connect():
    with Host() as host:
        tenant = host.tenant()
        for call in (
            lambda: tenant.begin_connect("app", owner=""),
            lambda: tenant.complete_connect("", "state=x"),
            lambda: tenant.choose_account("", "choice", "account"),
        ):
            with pytest.raises(errors.InvalidRequest) as raised:
                call()
            assert raised.value.field == "owner" and raised.value.remedy
        with pytest.raises(TypeError, match="owner"):
            tenant.begin_connect("app")


def test_a_tenant_is_made_by_a_host_only_of_text():
    with pytest.raises(TypeError):
        Tenant(None, 42)
