// Uploads in parts: connections that break, a server in front that takes little, a page that is loaded again.

import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openBrowser, publishPage, scene } from "./support.mjs";

openBrowser();

const uploaded = (page) => page.getByText("Uploaded, not sent").waitFor();

/** Every part that the browser sends, and what becomes of it; `meet` answers it itself or returns false. */
async function parts(page, meet) {
  const sent = [];
  await page.route("**/uploads/resumable/*", async (route) => {
    const request = route.request();
    if (request.method() !== "PATCH") return route.fallback();
    const size = request.postDataBuffer()?.length ?? 0;
    sent.push({ offset: Number(request.headers()["upload-offset"]), size });
    if (!(await meet(route, size, sent.length))) await route.fallback();
  });
  return sent;
}

const tooLarge = (route) => route.fulfill({ status: 413, contentType: "text/html", body: "<h1>413 Request Entity Too Large</h1>" }).then(() => true);

scene("a part that is lost is sent again, and the file is whole", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const sent = await parts(page, (route, size, number) => (number === 1 ? route.abort("connectionreset").then(() => true) : false));
  await page.locator("#file").setInputFiles(set.video);
  await uploaded(page);
  assert.equal(sent.length, 2);
  const [kept] = await set.get("/api/v1/uploads");
  assert.equal(kept.size, statSync(set.video).size);
});

scene("a server in front that takes one megabyte: small parts; loaded again, it goes on where it ended", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  // On disk, because the browser knows a file again by its name, size and time.
  const film = path.join(mkdtempSync(path.join(os.tmpdir(), "uploads-")), "film.mp4");
  writeFileSync(film, Buffer.concat([readFileSync(set.video), Buffer.alloc(3 << 20)]));
  let open = true;
  let sent = await parts(page, (route, size) => {
    if (size > 1 << 20) return tooLarge(route);
    return open && sent.filter((part) => part.size <= 1 << 20).length <= 2 ? false : route.abort("connectionreset").then(() => true);
  });
  await page.locator("#file").setInputFiles(film);
  await assert.doesNotReject(() => page.waitForFunction(() => document.querySelector("#uploads .state")?.textContent.startsWith("2")));
  // The page is left in the middle.
  open = false;
  await page.reload();
  await page.unroute("**/uploads/resumable/*");
  sent = await parts(page, (route, size) => (size > 1 << 20 ? tooLarge(route) : false));
  await page.locator("#file").setInputFiles(film);
  await uploaded(page);
  assert.ok(sent.every((part) => part.offset >= 2 << 20), `nothing is sent twice: ${JSON.stringify(sent)}`);
  const [kept] = await set.get("/api/v1/uploads");
  assert.equal(kept.size, statSync(film).size);
  rmSync(path.dirname(film), { recursive: true });
});

scene("what the service refuses is said in its own words", [], async (at) => {
  const { page } = at;
  await publishPage(at);
  await page.locator("#file").setInputFiles({ name: "empty.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(0) });
  await page.getByText("The size of the upload is missing.").waitFor();
});

scene("a server in front that takes not even small parts is named, with what to do", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const sent = await parts(page, tooLarge);
  await page.locator("#file").setInputFiles(set.video);
  await page.locator("#uploads").getByText("A server in front of this service takes no file of 3.0 MB (413). Its operator can raise the limit: in nginx “client_max_body_size”.").waitFor();
  assert.deepEqual(sent.map((part) => part.size), [statSync(set.video).size, 1 << 20], "smaller, and not without end");
  await page.locator("#press-why").getByText("A file does not fit; remove it.").waitFor();
});

for (const status of [502, 503, 504]) {
  scene(`a server in front that gets no answer is named: ${status}`, [], async (at) => {
    const { set, page } = at;
    await publishPage(at);
    await page.clock.install();
    await parts(page, (route) => route.fulfill({ status, contentType: "text/html", body: `<h1>${status}</h1>` }).then(() => true));
    await page.locator("#file").setInputFiles(set.video);
    const said = page.locator("#uploads").getByText(`A server in front of this service did not get an answer from it (${status}). Try again; if it stays so, its time limits are too short for this file.`);
    // Through the pauses between its tries.
    while ((await said.count()) === 0) await page.clock.runFor(1_000);
  });
}

scene("who leaves during an upload is asked first", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const asked = [];
  page.on("dialog", (dialog) => asked.push(dialog.type()));
  // Browsers ask only where somebody did something.
  await page.getByLabel("Caption").click();
  await page.getByLabel("Caption").fill("Soup");
  await page.reload();
  assert.deepEqual(asked, [], "what is typed is kept, so nobody is asked");
  await page.getByLabel("Caption").click();
  const held = new Promise((resolve) => { parts(page, () => { resolve(); return new Promise(() => {}); }); });
  await page.locator("#file").setInputFiles(set.video);
  await held;
  await page.reload();
  assert.deepEqual(asked, ["beforeunload"]);
});
