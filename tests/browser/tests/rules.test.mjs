// The browser applies a form's rules like the server: both are tested with the same examples.

import { test } from "node:test";
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";

const assets = new URL("../../../host/server/assets/", import.meta.url);
const { draw } = await import(new URL("rules.js", assets));
const { form, examples } = JSON.parse(await readFile(new URL("rules.json", assets)));

for (const example of examples) {
  test(`rules: ${example.says}`, () => {
    const drawn = draw(form, example.kind, example.chosen);
    assert.deepEqual([...drawn.hidden].sort(), example.hidden);
    assert.deepEqual(Object.fromEntries(drawn.disabled), example.disabled);
    const choices = [...drawn.choices.values()].map(({ field, choice, because }) => [`${field}=${choice}`, because]);
    assert.deepEqual(Object.fromEntries(choices), example.choices);
    assert.deepEqual([...drawn.required].sort(), example.required ?? []);
    assert.equal(drawn.words, example.words.join("\n"));
    for (const [field, texts] of Object.entries(example.field_notices)) {
      assert.deepEqual(drawn.notices.filter((notice) => notice.field === field).map((notice) => notice.text), texts);
    }
    assert.deepEqual(drawn.blocks, example.blocks);
    assert.deepEqual(drawn.values, example.values);
  });
}
