// Every picture of the manuals can be made anew, and is as large as the one that is there.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { make, PICTURES } from "../docs.mjs";

const kept = fileURLToPath(new URL("../../../docs/pictures", import.meta.url));

/** Width and height, from the head of a PNG file. */
async function size(path) {
  const bytes = await readFile(path);
  assert.equal(bytes.toString("latin1", 1, 4), "PNG", path);
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

test("every picture of the manuals is made by docs.mjs", async () => {
  assert.deepEqual((await readdir(kept)).sort(), Object.keys(PICTURES).sort());
  const folder = await mkdtemp(join(tmpdir(), "pictures-"));
  try {
    await make(folder);
    for (const name of Object.keys(PICTURES)) {
      const [[width, height], [before, tall]] = await Promise.all([size(join(folder, name)), size(join(kept, name))]);
      // The demo's lines are as long as its addresses and the machine's letters.
      const near = name === "demo.png" ? 0.2 : 0;
      assert.ok(Math.abs(width - before) <= near * before, `${name} is ${width} wide, and was ${before}`);
      assert.ok(Math.abs(height - tall) <= near * tall, `${name} is ${height} high, and was ${tall}`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
