"""Every row of the table of failures, tested end to end."""

import contextlib
import copy
import multiprocessing
import pickle
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from ctypes import c_char_p

import pytest
from conftest import COMPONENTS
from social_channel import errors
from social_channel._library import library

BY_PROVIDER = [row[:3] for row in errors._ROWS if 200 <= row[2] < 300]


@pytest.mark.parametrize(("name", "kind", "status"), BY_PROVIDER)
def test_a_provider_s_error_arrives_whole(stage, name, kind, status):
    channel = stage.connect()
    stage.behave("error " + kind.replace("_", "-"))
    with pytest.raises(errors.SocialChannelError) as raised:
        stage.tenant.profile(channel.id)
    error = raised.value
    assert type(error) is getattr(errors, name)
    assert (error.kind, error.status) == (kind, status)
    assert error.message == str(error) == f"the platform said {kind.replace('_', '-')}"
    assert (error.remedy, error.code, error.field) == ("do this now", "platform_code_7", "title")
    assert (error.trace_id, error.retry_after) == ("20261125LOG", 61.5)
    assert (error.provider, error.operation) == ("test-provider", "get-profile")


def test_the_host_s_own_errors_have_their_classes(stage, tmp_path):
    channel = stage.connect()
    component = (COMPONENTS / "test_provider.wasm").read_bytes()
    driven = {status for _, _, status in BY_PROVIDER}

    @contextlib.contextmanager
    def fails(kind):
        with pytest.raises(kind) as raised:
            yield raised
        assert type(raised.value) is kind
        driven.add(raised.value.status)

    with fails(errors.InvalidArgument) as raised:
        stage.host.put_app("app", {"settings": "simsecret"})
    assert raised.value.code == "malformed_json" and "simsecret" not in str(raised.value)
    with fails(errors.InvalidArgument):
        stage.tenant.profile("a\0b")
    with fails(errors.LoadFailed):
        stage.host.load_provider(component[: len(component) // 2])
    with fails(errors.Incompatible):
        stage.host.load_provider(component.replace(b"@0.1.0", b"@0.9.0"))
    for behaviour, kind in [
        ("trap", errors.ProviderFault),
        ("memory", errors.LimitExceeded),
        ("get", errors.DeniedByPolicy),
    ]:
        stage.behave(behaviour)
        with fails(kind):
            stage.tenant.profile(channel.id)
    with sqlite3.connect(tmp_path / "data" / "social-channel.sqlite") as base:
        base.execute("UPDATE apps SET settings = x'01'")
    with fails(errors.Internal):
        stage.host.put_app("app", {})
    # The list still contains the app, with its error.
    assert [app.error.kind for app in stage.host.apps()] == ["internal"]
    # The library lists its rows, so a new row that is not tested here is noticed.
    assert driven == rows_of_the_library()


def rows_of_the_library():
    name = library().socialchannel_status_name
    name.restype = c_char_p
    return {status for status in range(1, 1000) if status == 299 or name(status) != b"other"}


def test_every_status_of_the_library_has_its_class():
    name = library().socialchannel_status_name
    name.restype = c_char_p
    assert set(errors.BY_STATUS) == rows_of_the_library()
    for status, kind in errors.BY_STATUS.items():
        assert name(status).decode() == kind.kind
    assert type(errors.of(777, {"message": "new"})) is errors.SocialChannelError


def test_an_exception_travels_between_processes_whole(stage):
    channel = stage.connect()
    stage.behave("error rate-limited")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(errors.InvalidRequest) as raised:
            pool.submit(raise_one).result(timeout=60)
    assert (raised.value.message, raised.value.field) == ("from the pool", "owner")
    with pytest.raises(errors.RateLimited) as raised:
        stage.tenant.profile(channel.id)
    error = raised.value
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error) and str(again) == str(error)
        assert vars(again) == vars(error)


@pytest.mark.parametrize("status", [*errors.BY_STATUS, 777])
def test_every_exception_is_the_same_after_pickling(status):
    error = errors.of(status, {"kind": "k", "message": "m", "remedy": "r", "retry_after_ms": 5})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and vars(again) == vars(error) and again.args == error.args


def raise_one():
    raise errors.InvalidRequest({"message": "from the pool", "field": "owner"})
