// Takes a picture of every page: phone and desktop, light and dark.
//
//     node pictures.mjs FOLDER [NAME...]
//
// Full pages; with SCREEN=1 only the visible part.

import { mkdir } from "node:fs/promises";
import { launch, stage } from "./stage.mjs";

const [folder = "pictures", ...only] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const filled = await stage("--filled");
const locked = await stage("--password", "correct horse");
const browser = await launch();

const [channel] = await filled.get("/api/v1/channels");
const [job] = await filled.get("/api/v1/jobs");
const pages = {
  "sign-in": `${locked.origin}/sign-in`,
  overview: `${filled.origin}/`,
  settings: `${filled.origin}/settings`,
  integration: `${filled.origin}/settings/integration/tiktok?mode=sandbox&checks=1`,
  guide: `${filled.origin}/settings/apps/tiktok-live/guide`,
  providers: `${filled.origin}/settings/providers`,
  keys: `${filled.origin}/settings/keys`,
  people: `${filled.origin}/settings/people`,
  tenants: `${filled.origin}/tenants`,
  channels: `${filled.origin}/channels?connected=${channel.id}`,
  add: `${filled.origin}/channels/add/tiktok-live`,
  channel: `${filled.origin}/channels/${channel.id}`,
  publish: `${filled.origin}/channels/${channel.id}/publish`,
  jobs: `${filled.origin}/jobs`,
  scheduled: `${filled.origin}/jobs?show=scheduled`,
  job: `${filled.origin}/jobs/${job.id}`,
  failed: `${filled.origin}/callback/tiktok-live?code=x&state=unknown`,
  missing: `${filled.origin}/channels/nothing`,
};
for (const [size, viewport] of Object.entries({ desktop: { width: 1200, height: 800 }, phone: { width: 390, height: 800 } })) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport, colorScheme, locale: "en-GB" });
    for (const [name, url] of Object.entries(pages)) {
      if (only.length && !only.includes(name)) continue;
      const page = await context.newPage();
      page.on("console", (message) => { if (message.type() === "error") console.log(name, message.text()); });
      await page.goto(url, { waitUntil: "load" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      if (wide) console.log(name, size, "is wider than the screen");
      await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png`, fullPage: !process.env.SCREEN });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
await Promise.all([filled.close(), locked.close()]);
