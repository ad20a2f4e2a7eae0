// One post on several channels: chosen once, each channel by its own form, none twice.

import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { choose, connect, enterKeys, openBrowser, scene, sessionEnds, signIn } from "./support.mjs";

openBrowser();

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The page has no barrier, and is not wider than the screen. PICTURES=FOLDER takes a picture of it. */
async function look(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${name}-${page.viewportSize().width}.png`, fullPage: true });
  await page.evaluate(axe);
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    // Without its transitions, which axe would measure half-way.
    await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {}))));
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${name}, ${colorScheme}`);
  }
  assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)), `${name} is wider than the screen`);
}

/** Three connected accounts, of two apps; the last one has no posts left today. */
async function three(at) {
  await enterKeys(at);
  await enterKeys(at, "sandbox");
  const kitchen = await connect(at, "live", "Demo Kitchen");
  const pottery = await connect(at, "sandbox", "Private Pottery");
  const bakery = await connect(at, "live", "Busy Bakery");
  await at.page.goto(`${at.set.origin}/channels/${kitchen}/publish`);
  return { kitchen, pottery, bakery };
}

const row = (page, name) => page.getByRole("listitem").filter({ hasText: name });
const publish = (page) => page.getByRole("button", { name: "Publish", exact: true }).click();

for (const [size, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 800 } })) {
  scene(`one video to three channels: ${size}`, [], async (at) => {
    const { set, page } = at;
    const { kitchen, pottery, bakery } = await three(at);
    await choose(at);
    await page.getByLabel("Caption").fill("Soup of the day");
    await page.getByText("More channels").click();
    assert.equal(await page.locator("[name=also]:checked").count(), 0);
    await page.getByRole("checkbox", { name: "Private Pottery" }).check();
    await page.getByRole("checkbox", { name: "Busy Bakery" }).check();
    await look(page, "choose");
    await page.getByRole("button", { name: "Continue with these channels" }).click();
    await page.waitForURL(/\/crossposts\//);
    const here = page.url();
    await page.getByText("0 of 3 forms are sent").waitFor();
    assert.equal((await set.get("/api/v1/jobs")).length, 0);
    await look(page, "several");

    // The first: what its account must choose is not chosen.
    await page.getByRole("link", { name: "Fill in Demo Kitchen" }).click();
    const key = await page.locator("[name=key]").inputValue();
    const first = page.url();
    assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of the day");
    assert.equal(await page.getByLabel("Who can see this post").inputValue(), "");
    assert.equal(await page.locator("#publish input[type=checkbox]:checked").count(), 0);
    await page.waitForFunction(() => document.querySelector("#preview-media video")?.readyState > 0);
    await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
    await look(page, "form");
    await publish(page);
    await page.waitForURL(here);
    await page.getByText("1 of 3 forms are sent").waitFor();
    // Its form is closed, by Back and by its address.
    await page.goto(first);
    await page.waitForURL(here);

    // The second answer is lost, the page is loaded again, and the button is pressed again.
    await page.getByRole("link", { name: "Fill in Private Pottery" }).click();
    assert.equal(await page.locator("[name=key]").inputValue(), key);
    await page.getByLabel("Caption").fill("Soup in a bowl");
    await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
    let lose = true;
    await page.route("**/publish", async (route) => {
      if (!lose || route.request().method() !== "POST") return route.fallback();
      lose = false;
      await route.fetch({ maxRedirects: 0 });
      await route.abort("connectionreset");
    });
    await publish(page);
    await page.getByText("The service did not answer.").waitFor();
    await page.getByLabel("Caption").fill("Soup in another bowl");
    await publish(page);
    await page.waitForURL(here);
    await page.getByText("2 of 3 forms are sent").waitFor();

    // The third is refused. It alone can be tried again, with what was filled in.
    await page.getByRole("link", { name: "Fill in Busy Bakery" }).click();
    await page.locator("#blocked-form").waitFor();
    await page.goto(here);
    await set.account("busy.bakery", { daily_post_cap: 15 });
    await page.getByRole("link", { name: "Fill in Busy Bakery" }).click();
    await page.getByLabel("Caption").fill("Soup and bread");
    await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
    await set.account("busy.bakery", { daily_post_cap: 0 });
    await publish(page);
    await page.getByRole("link", { name: "Go on with the other channels" }).click();
    await row(page, "Busy Bakery").getByText("Not sent:").waitFor();
    assert.equal(await page.getByRole("link", { name: /^(Try again|Fill in)/ }).count(), 1);
    await look(page, "refused");
    await set.account("busy.bakery", { daily_post_cap: 15 });
    await page.goto(`${set.origin}/jobs`);
    await look(page, "unfinished");
    await page.getByRole("link", { name: "Soup of the day" }).first().click();
    await page.getByRole("link", { name: "Try again Busy Bakery" }).click();
    assert.equal(await page.getByLabel("Caption").inputValue(), "Soup and bread");
    assert.equal(await page.getByLabel("Who can see this post").inputValue(), "SELF_ONLY");
    await publish(page);
    await page.getByText("The form of every channel is sent.").waitFor();

    const jobs = await set.get("/api/v1/jobs");
    const texts = Object.fromEntries(jobs.map((job) => [job.channel, job.post.text]));
    assert.deepEqual(texts, { [kitchen]: "Soup of the day", [pottery]: "Soup in a bowl", [bakery]: "Soup and bread" });
    assert.equal(jobs.length, 3);
    assert.equal(new Set(jobs.map((job) => JSON.stringify(job.media[0].source))).size, 1, "one upload");
    assert.ok(jobs.every((job) => job.consent.words && job.consent.audience));
  }, { viewport });
}

scene("the form of each channel survives the end of the session", ["--password", "correct horse"], async (at) => {
  const { set, page } = at;
  await page.goto(`${set.origin}/`);
  await signIn(page);
  const { kitchen } = await three(at);
  await choose(at);
  await page.getByLabel("Caption").fill("Soup of the day");
  await page.getByText("More channels").click();
  await page.getByRole("checkbox", { name: "Private Pottery" }).check();
  await page.getByRole("button", { name: "Continue with these channels" }).click();
  await page.waitForURL(/\/crossposts\//);
  const here = page.url();
  const back = page.getByText("What you had filled in here is back.");
  await page.getByRole("link", { name: "Fill in Private Pottery" }).click();
  const key = await page.locator("[name=key]").inputValue();
  assert.equal(await back.count(), 0, "nothing was filled in here yet");
  await page.getByLabel("Caption").fill("Soup in a bowl");
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
  await sessionEnds(at, "Publish");
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup in a bowl");
  assert.equal(await page.getByLabel("Who can see this post").inputValue(), "SELF_ONLY");
  assert.equal(await page.locator("[name=key]").inputValue(), key);
  assert.equal(await page.locator("[name=media]").count(), 1, "the file is the page's, and there once");
  await publish(page);
  await page.waitForURL(here);
  await page.getByText("1 of 2 forms are sent").waitFor();
  // The other channel has its own form, and a new post on a channel another.
  await page.getByRole("link", { name: "Fill in Demo Kitchen" }).click();
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of the day");
  await page.getByLabel("Caption").fill("Soup of the kitchen");
  await page.goto(`${set.origin}/channels/${kitchen}/publish`);
  assert.equal(await page.getByLabel("Caption").inputValue(), "");
  assert.equal(await back.count(), 0);
});

scene("without scripts a link goes to several channels", [], async (at) => {
  const { set, page } = at;
  // Connecting opens a window, which is not what this is about.
  const scripted = await page.context().browser().newContext();
  const { kitchen } = await three({ set, page: await scripted.newPage() });
  await scripted.close();
  await page.goto(`${set.origin}/channels/${kitchen}/publish`);
  await page.getByText("Use a link", { exact: true }).click();
  await page.getByLabel("Use a link").fill("https://media.example.com/soup.mp4");
  await page.getByLabel("Caption").fill("Soup of the day");
  await page.getByText("More channels").click();
  await page.getByRole("checkbox", { name: "Private Pottery" }).check();
  await page.getByRole("button", { name: "Continue with these channels" }).click();
  await page.getByText("0 of 2 forms are sent").waitFor();
  await page.getByRole("link", { name: "Fill in Private Pottery" }).click();
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of the day");
  await page.getByText("https://media.example.com/soup.mp4").waitFor();
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
  await publish(page);
  // The link leads nowhere: this is told of this channel.
  await page.getByRole("link", { name: "Go on with the other channels" }).click();
  await row(page, "Private Pottery").getByText("Not sent:").waitFor();
  await row(page, "Demo Kitchen").getByText("Not sent yet.").waitFor();
  await page.getByRole("button", { name: "Discard the rest" }).click();
  await page.waitForURL(/\/jobs$/);
  assert.equal(await page.getByText("Not sent to every channel").count(), 0);
  assert.equal((await set.get("/api/v1/jobs")).length, 0);
}, { javaScriptEnabled: false });
