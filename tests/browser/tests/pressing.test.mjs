// The publish page, pressed again: a form is one post, even if answers were lost.

import { strict as assert } from "node:assert";
import { choose, openBrowser, publishPage, scene } from "./support.mjs";

openBrowser();

/** Meets the answer of the next request that posts, after the service has had it. */
async function meetNext(page, meet) {
  let settle;
  const met = { promise: new Promise((resolve) => { settle = resolve; }) };
  let first = true;
  await page.route("**/publish", async (route) => {
    if (!first || route.request().method() !== "POST") return route.fallback();
    first = false;
    await route.fetch({ maxRedirects: 0 });
    await meet(route);
    settle();
  });
  return met;
}

/** It is dropped. */
const dropNext = (page) => meetNext(page, (route) => route.abort("connectionreset"));

async function fill({ page }) {
  await page.getByLabel("Caption").fill("Soup of the day");
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
}

scene("an answer that was dropped, and Publish pressed again: one post", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  await choose(at);
  await fill(at);
  const key = await page.locator("[name=key]").inputValue();
  const dropped = await dropNext(page);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await dropped.promise;
  await page.getByText("The service did not answer.").waitFor();
  await page.getByText("a post that was taken already is not made a second time").waitFor();
  assert.equal(await page.locator("[name=key]").inputValue(), key);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  const jobs = await set.get("/api/v1/jobs");
  assert.equal(jobs.length, 1);
  await page.getByText("published", { exact: false }).first().waitFor();
  // It is for nobody else, so no link is waited for.
  await page.locator("#todo").getByText("The network provides no link").waitFor();
  await page.locator("#quotas").getByText("before it was sent").waitFor();
});

scene("pressed again when the account takes nothing more: the post that is there, not a reason against it", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  await choose(at, set.long);
  await fill(at);
  const dropped = await dropNext(page);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await dropped.promise;
  await page.getByText("The service did not answer.").waitFor();
  // By now this video is too long for the account.
  await set.account("demo.kitchen", { max_video_seconds: 1 });
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  assert.equal((await set.get("/api/v1/jobs")).length, 1);
});

scene("the form keeps its key through answers that refuse, and a changed post has another", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const key = await page.locator("[name=key]").inputValue();
  assert.equal(key.length, 22);
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.locator("#answer p").first().waitFor();
  assert.equal(await page.locator("[name=key]").count(), 1);
  assert.equal(await page.locator("[name=key]").inputValue(), key);
  await choose(at);
  await fill(at);
  const dropped = await dropNext(page);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await dropped.promise;
  await page.getByText("The service did not answer.").waitFor();
  await page.getByLabel("Caption").fill("Bread of the day");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  const texts = (await set.get("/api/v1/jobs")).map((job) => job.post.text).sort();
  assert.deepEqual(texts, ["Bread of the day", "Soup of the day"]);
});

scene("a gateway's page in place of the answer leaves the form as it was", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  await choose(at);
  await fill(at);
  const gateway = { status: 504, contentType: "text/html", body: "<h1>504 Gateway Time-out</h1>" };
  await meetNext(page, (route) => route.fulfill(gateway));
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByText("The service did not answer.").waitFor();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  assert.equal((await set.get("/api/v1/jobs")).length, 1);
});
