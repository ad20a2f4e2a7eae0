// Shared code of the suites: one browser, a test environment for each test, and the common first steps.

import { after, before, test } from "node:test";
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { launch, stage } from "../stage.mjs";

// They only end what hangs: a busy machine needs several times what a quiet one does, and no test is about time.
export const A_TEST = { timeout: 600_000 };
export const A_WAIT = Number(process.env.PATIENCE ?? 180_000);

let browser;

export function openBrowser() {
  before(async () => { browser = await launch(); });
  after(async () => { await browser?.close(); });
}

/** A test with its own environment and page. The page must not have violated its policy. */
export function scene(name, flags, act, options = {}) {
  test(name, A_TEST, async () => {
    const set = await stage(...flags);
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 900 }, ...options });
    context.setDefaultTimeout(A_WAIT);
    const page = await context.newPage();
    const broken = [];
    context.on("weberror", (error) => broken.push(String(error.error())));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) broken.push(message.text());
    });
    // One that asks before an upload is left may be over with its page.
    page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
    try {
      await act({ set, page, context });
      assert.deepEqual(broken, []);
      assert.deepEqual(await set.violations(), []);
    } catch (error) {
      // The text that a user would have seen.
      const seen = await page.locator("main").innerText({ timeout: 2_000 }).catch(() => "no page");
      error.message += `\nat ${page.url()}:\n${seen.slice(0, 1_500)}`;
      throw error;
    } finally {
      await context.close();
      await set.close();
    }
  });
}

/** Enters the password of the stage, at whatever page asks for it. */
export async function signIn(page, password = "correct horse") {
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => !url.pathname.includes("sign-in"));
}

/** The session ends while a form is open: its button leads to the sign-in, and that back to the form. */
export async function sessionEnds({ page, context }, button) {
  await context.clearCookies();
  const form = page.url();
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.waitForURL(/sign-in/);
  await signIn(page);
  await page.waitForURL(form);
  await page.getByText("What you had filled in here is back.").waitFor();
}

export const APPS = {
  live: { key: "simkey-desktop", secret: "simsecret-desktop-0001" },
  sandbox: { key: "sbsimkey-sandbox", secret: "simsecret-sandbox-0001" },
  unaudited: { key: "simkey-unaudited", secret: "simsecret-unaudited-0001" },
};

/** Settings → API integration → TikTok: enters the keys and saves. */
export async function enterKeys({ set, page }, mode = "live", app = APPS[mode], callback) {
  await page.goto(`${set.origin}/settings`);
  await page.getByRole("link", { name: "TikTok" }).click();
  await page.getByRole("navigation", { name: "Mode" }).getByRole("link", { name: mode, exact: false }).click();
  await page.getByLabel("App ID").fill(app.key);
  await page.getByLabel("App Secret").fill(app.secret);
  await page.getByLabel("App platform").selectOption("desktop");
  if (callback) await page.getByLabel("Callback URL").fill(callback);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
}

/** Channels → + Add channel → TikTok → + Profile; returns the window of the consent. */
export async function openConsent({ set, page }, mode = "live") {
  await page.goto(`${set.origin}/channels`);
  await page.getByRole("link", { name: "+ Add channel" }).click();
  await page.goto(`${set.origin}/channels/add/tiktok-${mode}`);
  const opened = page.waitForEvent("popup");
  await page.getByRole("button", { name: "+ Profile" }).click();
  const consent = await opened;
  await consent.waitForURL(/v2\/auth\/authorize/);
  return consent;
}

/** Gives the consent. */
export async function connect(at, mode = "live", account = "Demo Kitchen") {
  const consent = await openConsent(at, mode);
  await consent.getByLabel(account).check();
  await consent.getByRole("button", { name: "Authorize" }).click();
  await at.page.waitForURL(/\/channels\?connected=/);
  return new URL(at.page.url()).searchParams.get("connected");
}

/** Sets the keys, connects a channel, and opens its publish page. */
export async function publishPage(at, { mode = "live", account, kind = "video", callback } = {}) {
  await enterKeys(at, mode, APPS[mode], callback);
  const channel = await connect(at, mode, account);
  await at.page.goto(`${at.set.origin}/channels/${channel}/publish?kind=${kind}`);
  return channel;
}

/** Chooses the sample video and waits until the service has it. */
export async function choose({ set, page }, file = set.video) {
  // A page that a link has opened may not run its script yet, which shows this and then hears of the file.
  await page.locator(".scripted:has(#file)").waitFor();
  await page.locator("#file").setInputFiles(file);
  await page.getByText("Uploaded, not sent").waitFor();
}

/** A post on the channel for a time to come, in seconds; returns the job. */
export async function scheduled({ set }, channel, caption, publishAt) {
  const call = async (path, headers, body) => {
    const response = await fetch(`${set.origin}/api/v1${path}`, { method: "POST", headers, body });
    assert.ok(response.ok, await response.clone().text());
    return response.json();
  };
  const upload = await call("/uploads?file_name=soup.mp4", { "content-type": "video/mp4" }, readFileSync(set.video));
  const post = { kind: "video", text: caption, visibility: "PUBLIC_TO_EVERYONE" };
  const body = JSON.stringify({ post, media: [{ upload: upload.id }], publish_at: publishAt });
  return call(`/channels/${channel}/jobs`, { "content-type": "application/json" }, body);
}

/** A real photo, encoded by the browser: `jpeg` or `png`. */
export async function photo(page, colour, format = "jpeg", size = [720, 960]) {
  const type = `image/${format}`;
  const data = await page.evaluate(([colour, type, size]) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = size;
    const brush = canvas.getContext("2d");
    brush.fillStyle = colour;
    brush.fillRect(0, 0, canvas.width, canvas.height);
    return canvas.toDataURL(type).split(",")[1];
  }, [colour, type, size]);
  const ending = format === "jpeg" ? "jpg" : format;
  return { name: `${colour}.${ending}`, mimeType: type, buffer: Buffer.from(data, "base64") };
}
