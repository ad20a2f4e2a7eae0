// Accessibility of the pages: axe-core finds no violation on any page, and they work with the keyboard only and
// without scripts.

import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect, enterKeys, openBrowser, scene, scheduled } from "./support.mjs";

openBrowser();

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function faults(page) {
  // Evaluated through the browser's debugging protocol, because the page's policy allows no foreign script.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
}

/** In half a year; the clock of a filled stage is some weeks ahead. */
const soon = () => Math.floor(Date.now() / 1000) + 180 * 24 * 3600;

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ desktop: { width: 1200, height: 900 }, phone: { width: 390, height: 800 } })) {
    scene(`axe finds nothing: ${size}, ${colorScheme}`, ["--filled"], async ({ set, page }) => {
      const [channel] = await set.get("/api/v1/channels");
      const [job] = await set.get("/api/v1/jobs");
      const later = await scheduled({ set }, channel.id, "Soup for later", soon());
      const found = {};
      for (const path of [
        "/", "/settings", "/settings/integration/tiktok?mode=live&checks=1", "/settings/apps/tiktok-live/guide",
        "/settings/providers", "/settings/keys", "/settings/people", "/tenants", "/channels", `/channels?connected=${channel.id}`, "/channels/add",
        "/channels/add/tiktok-live", `/channels/${channel.id}`, `/channels/${channel.id}/publish`,
        `/channels/${channel.id}/publish?kind=images`, "/jobs", "/jobs?show=scheduled", `/jobs/${job.id}`, `/jobs/${later.id}`, `/jobs/${later.id}/change`, "/uploads", "/sign-in",
        "/callback/tiktok-live?state=unknown", "/channels/nothing",
      ]) {
        await page.goto(set.origin + path);
        const wrong = await faults(page);
        if (wrong.length > 0) found[path] = wrong;
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, `${path} is wider than the screen`);
      }
      assert.deepEqual(found, {});
    }, { colorScheme, viewport });
  }
}

scene("the publish page with everything open passes axe too", ["--filled"], async ({ set, page }) => {
  const [channel] = await set.get("/api/v1/channels");
  await page.goto(`${set.origin}/channels/${channel.id}/publish`);
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("Uploaded, not sent").waitFor();
  await page.getByRole("checkbox", { name: "Disclose post content" }).check();
  await page.getByRole("checkbox", { name: "Branded content", exact: true }).check();
  await page.getByLabel("Later").check();
  assert.deepEqual(await faults(page), []);
});

scene("the keyboard is enough to publish", ["--filled"], async ({ set, page }) => {
  const [channel] = await set.get("/api/v1/channels");
  await page.goto(`${set.origin}/channels/${channel.id}/publish`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("Uploaded, not sent").waitFor();
  const reach = async (name) => {
    for (let steps = 0; steps < 60; steps += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => document.activeElement.getAttribute("name") + "=" + document.activeElement.getAttribute("value"));
      if (at.startsWith(name)) return;
    }
    assert.fail(`${name} cannot be reached by Tab`);
  };
  await reach("f.text");
  await page.keyboard.type("By keyboard");
  await reach("f.visibility");
  // The first choice below "Choose…".
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.getByLabel("Who can see this post").inputValue(), "PUBLIC_TO_EVERYONE");
  await reach("action=publish");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/jobs\//);
  await page.getByRole("heading", { name: "By keyboard" }).waitFor();
});

/** Goes on by Tab alone until the focus is at what has this name, as a screen reader says it. */
async function tabTo(page, name) {
  const seen = [];
  for (let steps = 0; steps < 120; steps += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      const text = it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent;
      return { text: text.replace(/\s+/g, " ").trim(), shown: it.matches(":focus-visible") };
    });
    seen.push(at.text.slice(0, 30));
    const found = name instanceof RegExp ? name.test(at.text) : at.text.startsWith(name);
    if (!found) continue;
    assert.ok(at.shown, `the focus is seen at ${name}`);
    return;
  }
  assert.fail(`${name} cannot be reached by Tab: ${seen.join(" | ")}`);
}

scene("the keyboard is enough to sign in and out", ["--password", "correct horse"], async ({ set, page }) => {
  await page.goto(`${set.origin}/channels`);
  await page.waitForURL(/sign-in/);
  const focused = await page.evaluate(() => document.activeElement.labels?.[0]?.textContent ?? "");
  if (!focused.startsWith("Password")) await tabTo(page, "Password");
  await page.keyboard.type("correct horse");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Channels", exact: true }).waitFor();
  await tabTo(page, "Sign out");
  await page.keyboard.press("Enter");
  await page.getByLabel("Password").waitFor();
});

scene("the keyboard is enough to enter an app's settings and to add a channel", [], async ({ set, page }) => {
  const follow = async (name) => {
    await tabTo(page, name);
    const gone = page.waitForEvent("framenavigated");
    await page.keyboard.press("Enter");
    await gone;
    await page.waitForLoadState();
  };
  await page.goto(set.origin);
  await follow("Settings");
  await follow("TikTok");
  await follow(/^Live/);
  await page.waitForURL(/mode=live/);
  await tabTo(page, "App ID");
  await page.keyboard.type("simkey-desktop");
  await tabTo(page, "App Secret");
  await page.keyboard.type("simsecret-desktop-0001");
  await tabTo(page, "App platform");
  // A list is chosen from by the first letter.
  await page.keyboard.type("d");
  assert.equal(await page.getByLabel("App platform").inputValue(), "desktop");
  await follow("Save");
  await page.getByText("Saved.").waitFor();

  await follow("Channels");
  await follow("+ Add channel");
  await page.waitForURL(/channels\/add/);
  await follow(/TikTok/);
  await page.waitForURL(/channels\/add\/tiktok-live/);
  const opened = page.waitForEvent("popup");
  await tabTo(page, "+ Profile");
  await page.keyboard.press("Enter");
  // The network's own page.
  const consent = await opened;
  await consent.waitForURL(/v2\/auth\/authorize/);
  await consent.getByLabel("Demo Kitchen").check();
  await consent.getByRole("button", { name: "Authorize" }).click();
  await page.waitForURL(/\/channels\?connected=/);
  await page.getByText("Demo Kitchen").first().waitFor();
});

scene("the keyboard is enough to change a scheduled job", ["--filled"], async ({ set, page }) => {
  const [channel] = await set.get("/api/v1/channels");
  const job = await scheduled({ set }, channel.id, "Soup for later", soon());
  const now = async () => set.get(`/api/v1/jobs/${job.id}`);
  await page.goto(`${set.origin}/jobs`);
  await tabTo(page, "Soup for later");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Soup for later" }).waitFor();
  await tabTo(page, "Day and time");
  // The day is the first of its parts, in this browser's language; one day up.
  await page.keyboard.press("ArrowUp");
  await tabTo(page, "Change time");
  await page.keyboard.press("Enter");
  await page.waitForFunction((before) => document.querySelector("input[name=at_seconds]")?.value !== String(before), Math.floor(job.publish_at / 60) * 60);
  const moved = (await now()).publish_at;
  assert.ok(Math.abs(moved - job.publish_at) > 23 * 3600, `${job.publish_at} became ${moved}`);

  await tabTo(page, "Edit post");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/change$/);
  await tabTo(page, /^Caption/);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("Bread for later");
  await tabTo(page, "Agree and save");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/jobs\/[^/]+$/);
  assert.equal((await now()).post.text, "Bread for later");
  await tabTo(page, "Cancel");
  await page.keyboard.press("Enter");
  await page.locator(".standing").getByText("Cancelled").first().waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  scene(`the choice among several accounts passes axe and takes the keyboard: ${colorScheme}`, [], async ({ set, page }) => {
    const call = async (method, path, type, body) => {
      const response = await fetch(`${set.origin}/api/v1${path}`, { method, headers: { "content-type": type }, body });
      assert.ok(response.ok, await response.text());
    };
    const component = await readFile(set.component.replace("plugin_tiktok", "test_provider"));
    await call("POST", "/providers", "application/wasm", component);
    const app = { provider: "test-provider", redirect_uri: `${set.origin}/callback/two`, settings: { behaviour: "two-accounts" } };
    await call("PUT", "/apps/two", "application/json", JSON.stringify(app));
    await page.goto(`${set.origin}/channels/add/two`);
    const opened = page.waitForEvent("popup");
    await page.getByRole("button", { name: "+ Profile" }).click();
    const choice = await opened;
    await choice.getByRole("heading", { name: "Which account?" }).waitFor();
    assert.deepEqual(await faults(choice), []);
    await choice.setViewportSize({ width: 390, height: 800 });
    assert.deepEqual(await faults(choice), []);
    // The first letter of the name stands in for a picture.
    // With its name at the network and its kind, as accounts of one name differ by them.
    await tabTo(choice, /Account one @tester · Page$/);
    await choice.keyboard.press("ArrowDown");
    assert.ok(await choice.getByLabel("Account two").isChecked());
    await tabTo(choice, "Connect");
    await choice.keyboard.press("Enter");
    await page.waitForURL(/\/channels\?connected=/);
    assert.deepEqual((await set.get("/api/v1/channels")).map((channel) => channel.display_name), ["Account two"]);
  }, { colorScheme });
}

scene("without scripts all but the upload works", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  await page.goto(`${set.origin}/channels/add/tiktok-live`);
  await page.getByRole("button", { name: "+ Profile" }).click();
  await page.getByRole("link", { name: "Continue to TikTok" }).click();
  await page.getByRole("button", { name: "Authorize" }).click();
  await page.waitForURL(/\/channels\?connected=/);
  await page.getByRole("link", { name: "Publish on Demo Kitchen" }).click();
  const form = page.locator("#publish");
  await page.getByRole("checkbox", { name: "Disclose post content" }).check();
  await page.getByRole("button", { name: "Update the form" }).click();
  await page.getByText("You need to indicate if your content promotes yourself, a third party, or both.").first().waitFor();
  await page.getByRole("checkbox", { name: "Branded content", exact: true }).check();
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByRole("button", { name: "Update the form" }).click();
  await form.getByText("By posting, you agree to TikTok's Branded Content Policy and Music Usage Confirmation").waitFor();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  // The media is missing: the page says so, and no input is lost.
  await page.getByText("Choose a file, or use a link.").first().waitFor();
  assert.equal(await page.getByLabel("Who can see this post").inputValue(), "PUBLIC_TO_EVERYONE");
  assert.equal((await set.get("/api/v1/jobs")).length, 0);
}, { javaScriptEnabled: false });

scene("words that changed under the person's hand are never agreed to", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  const channel = await connect(at);
  await page.goto(`${set.origin}/channels/${channel}/publish`);
  const csrf = await page.locator("meta[name=csrf]").getAttribute("content");
  const answer = await page.request.post(`${set.origin}/channels/${channel}/publish`, {
    form: { csrf, kind: "video", "f.visibility": "PUBLIC_TO_EVERYONE", urls: "https://media.example.com/a.mp4", words: "something else", action: "publish" },
    headers: { origin: set.origin },
  });
  assert.equal(answer.status(), 422);
  assert.match(await answer.text(), /What you agree to by publishing has changed/);
  assert.equal((await set.get("/api/v1/jobs")).length, 0);
});

scene("persons sign in by name, and what they do says who did it", ["--filled"], async ({ set, page }) => {
  const [channel] = await set.get("/api/v1/channels");
  const add = async (name, password) => {
    await page.goto(`${set.origin}/settings/people`);
    await page.getByLabel("Name").fill(name);
    await page.locator("#password").fill(password);
    await page.getByRole("button", { name: "Add person" }).click();
  };
  const enter = async (name, password) => {
    await page.getByLabel("Name").fill(name);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  await page.goto(`${set.origin}/settings/people`);
  await page.getByText("anyone who reaches this address may do everything").waitFor();
  await add("Anna", "annas long password");
  // From the first person on there is a door.
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual(await faults(page), []);
  await enter("Anno", "annas long password");
  await page.getByText("Name and password do not belong together.").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "Anno");
  await enter("anna", "annas long password");
  await page.getByRole("button", { name: "Sign out Anna" }).waitFor();
  await add("Ben", "bens long password");
  await page.getByText("Anna (you)").waitFor();
  await page.getByText("New password for Ben").click();
  assert.deepEqual(await faults(page), []);

  await page.goto(`${set.origin}/channels/${channel.id}/publish`);
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("Uploaded, not sent").waitFor();
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.locator("dl.facts div", { hasText: "Submitted by" }).getByText("Anna").waitFor();
  await page.locator("summary", { hasText: "Consent" }).click();
  await page.locator("#consent div", { hasText: "By" }).first().getByText("Anna").waitFor();
  const job = await (await page.request.get(`${set.origin}/api/v1${new URL(page.url()).pathname}`)).json();
  assert.equal(job.submitted_by, "Anna");
  assert.equal(job.consent.by, "Anna");

  // Ben removes Anna, who is signed out in her own browser.
  const other = await page.context().browser().newContext();
  try {
    const ben = await other.newPage();
    ben.on("dialog", (dialog) => dialog.accept());
    await ben.goto(`${set.origin}/settings/people`);
    await ben.getByLabel("Name").fill("Ben");
    await ben.getByLabel("Password").fill("bens long password");
    await ben.getByRole("button", { name: "Sign in" }).click();
    await ben.getByRole("button", { name: "Remove Anna" }).click();
    await ben.getByRole("button", { name: "Remove Anna" }).waitFor({ state: "detached" });
  } finally {
    await other.close();
  }
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

scene("two tabs do nothing for the wrong tenant", ["--filled"], async ({ set, page, context }) => {
  const [channel] = await set.get("/api/v1/channels");
  await page.goto(`${set.origin}/channels/${channel.id}/publish`);
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("Uploaded, not sent").waitFor();
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  const list = await context.newPage();
  // Its list is followed only after the other tab has switched, as after a broken connection.
  let go;
  const switched = new Promise((resolve) => { go = resolve; });
  await list.route("**/jobs/events*", async (route) => { await switched; await route.continue(); });
  await list.goto(`${set.origin}/jobs`);
  await list.getByText("Tomato soup in four minutes").waitFor();

  const other = await context.newPage();
  await other.goto(`${set.origin}/jobs`);
  await other.getByRole("link", { name: "Tenant: default" }).click();
  await other.getByLabel("Name").fill("acme");
  await other.locator("#other ~ form").getByRole("button", { name: "Switch" }).click();
  await other.getByText("Acting for the tenant acme").waitFor();
  assert.deepEqual(await faults(other), []);
  await other.goto(`${set.origin}/jobs`);
  await other.getByText("No posts yet.").waitFor();
  assert.match(await other.title(), /acme/);
  go();
  await list.getByText(/his list no longer follows its jobs/).waitFor();
  assert.equal(await list.getByText("Tomato soup in four minutes").count(), 1);

  // The first tab was opened for the other tenant: it says so, and its form is kept.
  const before = (await set.get("/api/v1/jobs")).length;
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByText("This page was opened for the tenant default, and this browser acts for the tenant acme now").waitFor();
  assert.equal((await set.get("/api/v1/jobs")).length, before);
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("this browser acts for the tenant acme now", { exact: false }).nth(1).waitFor();

  await other.getByRole("button", { name: "Back to default" }).click();
  await other.getByText("Acting for the tenant").waitFor({ state: "detached" });
  await page.locator("#file").setInputFiles(set.video);
  await page.getByText("Uploaded, not sent").waitFor();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
});
