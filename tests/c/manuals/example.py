"""Prints the example at the head of the header as a whole program, as it stands there.

    example.py social_channel.h > example.c
"""

import re
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
head = text[: text.index("*/")]
# The lines that are indented in the comment, up to the prose that follows.
example = re.search(r"((?: \*   .*\n)+)", head).group(1)
lines = [line.removeprefix(" *   ") for line in example.splitlines()]
assert lines[0].startswith("socialchannel_host *host") and lines[-1].startswith("socialchannel_host_free"), lines
print("#include <social_channel.h>\n#include <stdio.h>\n\nint main(void) {")
print("\n".join(lines))
print("  return 0;\n}")
