"""Finding the library: the errors if it is the wrong one or missing."""

import os
import platform
import re
import shutil
import struct
import subprocess
import sys

import pytest
from conftest import ROOT
from social_channel._library import library

LOADED = library()._name


def said(path, **environment):
    """The output of a program that opens a host with this library."""
    script = "from social_channel import Host\ntry:\n    Host()\n    print('opened')\nexcept ImportError as error:\n    print(error)"
    environment = os.environ | {"SOCIAL_CHANNEL_LIBRARY": str(path)} | environment
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled(folder, name, source):
    (folder / f"{name}.c").write_text(source)
    path = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, folder / f"{name}.c"], check=True)
    return path


@pytest.mark.parametrize(("major", "minor"), [(0, 2), (1, 0), (7, 1)])
def test_a_library_of_another_version_is_refused_with_both_versions(tmp_path, major, minor):
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "bindings/c/include/social_channel.h").read_text(), flags=re.S)
    names = set(re.findall(r"\b(socialchannel_\w+)\(", header)) - {"socialchannel_version_number", "socialchannel_version_text"}
    source = f"unsigned socialchannel_version_number(void) {{ return {major * 1_000_000 + minor * 1_000}; }}\n"
    source += f'const char *socialchannel_version_text(void) {{ return "{major}.{minor}.0"; }}\nvoid abort(void);\n'
    source += "".join(f"void {name}(void) {{ abort(); }}\n" for name in sorted(names))
    assert f"is version {major}.{minor}.0, and this package needs 0.1" in said(compiled(tmp_path, "other", source))


def test_a_library_that_lacks_functions_is_named_as_older(tmp_path):
    source = "unsigned socialchannel_version_number(void) { return 1000; }\n"
    source += 'const char *socialchannel_version_text(void) { return "0.1.0"; }\n'
    assert "is older than this package" in said(compiled(tmp_path, "older", source))


def test_some_other_library_is_named_as_that(tmp_path):
    assert "is not libsocialchannel" in said(compiled(tmp_path, "some", "int some;"))


def test_a_library_for_another_machine_is_named_as_that(tmp_path):
    number, name = (62, "x86_64") if platform.machine() == "aarch64" else (183, "aarch64")
    path = tmp_path / "other.so"
    shutil.copy(LOADED, path)
    with path.open("r+b") as file:
        file.seek(18)
        file.write(struct.pack("<H", number))
    assert f"is built for {name}" in said(path)


def test_a_named_file_that_is_not_there_is_said_and_nothing_else_is_taken(tmp_path):
    assert f"names {tmp_path}/none.so, and there is no such file" in said(tmp_path / "none.so")
