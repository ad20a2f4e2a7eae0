// Photos, and videos that the platform pulls: the service serves them at its public address, and the
// platform accepts them only from a domain that was verified in its portal.

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { openBrowser, photo, publishPage, scene } from "./support.mjs";

openBrowser();

/** The domain, whose subdomains are the service and the user's storage. */
const DOMAIN = "northwind.app";

/** The browser uses another address than the platform, so the callback is entered manually. */
async function begin(at, kind, verified) {
  const { set, page } = at;
  const channel = await publishPage(at, { kind, callback: `${set.origin}/callback/tiktok-live` });
  if (!verified) return;
  await page.goto(`${set.origin}/settings/integration/tiktok?mode=live`);
  await page.getByText("More settings").click();
  await page.getByLabel("Verified").fill(verified);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.goto(`${set.origin}/channels/${channel}/publish?kind=${kind}`);
}

const everybody = (page) => page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
const publish = (page) => page.getByRole("button", { name: "Publish", exact: true }).click();
const published = (page) => page.locator(".standing").getByText("Published").first().waitFor();

scene("photos wait until the domain is verified, and are then fetched from the service", ["--public"], async (at) => {
  const { set, page } = at;
  await begin(at, "images");
  const photos = [await photo(page, "tomato"), await photo(page, "olive")];
  await page.locator("#file").setInputFiles(photos);
  await page.getByText("olive.jpg was uploaded.").waitFor();
  assert.equal(await page.locator("#preview-media img").count(), 2);
  await page.getByLabel("Title").fill("Two soups");
  await everybody(page);
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.getByText("TikTok fetches only from addresses that were verified for the app.").first().waitFor();
  // The job is faster than the page: it pauses before the page gets the event.
  await page.route("**/events", async (route) => {
    while ((await set.get("/api/v1/jobs"))[0].status === "active") await new Promise((later) => setTimeout(later, 50));
    await route.continue();
  });
  await publish(page);
  await page.waitForURL(/\/jobs\//);

  await page.locator(".standing").getByText("Needs attention").first().waitFor();
  await page.getByText("The address of the media is not verified for this app at TikTok.").first().waitFor();
  await page.getByText("The operator must verify the domain or prefix").first().waitFor();
  await page.getByText("url_ownership_unverified").first().waitFor();
  assert.equal((await set.world()).publishes.length, 0);

  await set.app("simkey-desktop", { verified_urls: [DOMAIN] });
  await page.getByRole("button", { name: "Resume" }).click();
  await published(page);
  const [got] = (await set.world()).publishes;
  const whole = Buffer.concat(photos.map((one) => one.buffer));
  assert.equal(got.sha256, createHash("sha256").update(whole).digest("hex"));
});

scene("a video is fetched from the person's own storage", ["--public"], async (at) => {
  const { set, page } = at;
  await set.app("simkey-desktop", { verified_urls: [DOMAIN] });
  await begin(at, "video", DOMAIN);
  await page.getByText("Use a link", { exact: true }).click();
  await page.getByLabel("Use a link").fill(`${set.storage}/soup.mp4`);
  await page.getByLabel("Caption").fill("Pulled soup");
  await everybody(page);
  await page.getByLabel("Transfer").selectOption("pull");
  await publish(page);
  await page.waitForURL(/\/jobs\//);
  await published(page);
  const [got] = (await set.world()).publishes;
  assert.equal(got.bytes, 2_000_000);
  assert.equal((await set.log()).filter((exchange) => exchange.method === "PUT").length, 0);
});

scene("an address outside the verified ones is named before anything is sent", ["--public"], async (at) => {
  const { set, page } = at;
  await begin(at, "video", "media.example.com");
  await page.getByText("Use a link", { exact: true }).click();
  await page.getByLabel("Use a link").fill(`${set.storage}/soup.mp4`);
  await everybody(page);
  await page.getByLabel("Transfer").selectOption("pull");
  await publish(page);
  await page.getByText("TikTok fetches only from addresses that were verified for the app.").first().waitFor();
  await page.getByText("name it in the setting").first().waitFor();
  assert.deepEqual(await set.get("/api/v1/jobs"), []);
});
