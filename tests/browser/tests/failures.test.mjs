// Every way in which connecting can fail: the page shows a sentence and a remedy.

import { strict as assert } from "node:assert";
import { connect, enterKeys, openBrowser, openConsent, scene } from "./support.mjs";

openBrowser();

const said = (page) => page.locator("#outcome [role=alert]");

scene("the browser blocks the window: go on in this one", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  await page.addInitScript(() => { window.open = () => null; });
  await page.goto(`${set.origin}/channels/add/tiktok-live`);
  await page.getByRole("button", { name: "+ Profile" }).click();
  await said(page).getByText("The browser blocked the window.").waitFor();
  await said(page).getByText("Allow pop-ups for this address").waitFor();
  await page.getByRole("button", { name: "go on in this window" }).click();
  await page.waitForURL(/v2\/auth\/authorize/);
  await page.getByRole("button", { name: "Authorize" }).click();
  await page.waitForURL(/\/channels\?connected=/);
  await page.getByText("is connected.").waitFor();
});

scene("the person declines", [], async (at) => {
  await enterKeys(at);
  const consent = await openConsent(at);
  await consent.getByRole("button", { name: "Cancel" }).click();
  await said(at.page).getByText("permission was not given").waitFor();
  assert.ok((await said(at.page).locator("p").count()) >= 2, "sentence and remedy");
  await at.page.getByRole("button", { name: "+ Profile" }).waitFor();
});

scene("the callback is not registered: the page says which address must be", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  await page.getByLabel("Callback URL").fill(`${set.origin}/callback/tiktok-live/other`);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  const consent = await openConsent(at);
  await consent.getByText("Something went wrong").waitFor();
  await consent.close();
  await said(page).getByText("The window was closed before TikTok answered.").waitFor();
  const trouble = page.getByRole("region", { name: "If TikTok shows an error instead" });
  await trouble.getByRole("heading").click();
  await trouble.getByText("The redirect address does not match.").waitFor();
  await trouble.getByText(`${set.origin}/callback/tiktok-live/other`).waitFor();
});

scene("the network sends the mismatch back: it is named", [], async (at) => {
  await enterKeys(at);
  await at.page.goto(`${at.set.origin}/channels/add/tiktok-live`);
  const opened = at.page.waitForEvent("popup");
  await at.page.getByRole("button", { name: "+ Profile" }).click();
  const consent = await opened;
  await consent.waitForURL(/v2\/auth\/authorize/);
  const state = new URL(consent.url()).searchParams.get("state");
  await consent.goto(`${at.set.origin}/callback/tiktok-live?error=invalid_request&error_type=redirect_uri&state=${state}`).catch(() => {});
  await said(at.page).getByText(/redirect address/).first().waitFor();
  await said(at.page).getByText(/register/i).first().waitFor();
});

scene("the callback leads to another address than the one the person is at", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  await page.getByLabel("Callback URL").fill("https://app.example.com/callback/tiktok-live");
  await page.getByLabel("App platform").selectOption("web");
  await page.getByRole("button", { name: "Save" }).click();
  await page.goto(`${set.origin}/channels/add/tiktok-live`);
  await page.getByText("The callback leads to a different address than the one you are using.").waitFor();
  await page.locator("#elsewhere").getByText("https://app.example.com").waitFor();
});

scene("the account is no target user of the sandbox", [], async (at) => {
  await enterKeys(at, "sandbox");
  const consent = await openConsent(at, "sandbox");
  await consent.getByLabel("walk.in").check();
  await consent.getByRole("button", { name: "Authorize" }).click();
  await said(at.page).getByText("This TikTok account is not a target user of the sandbox, so TikTok did not let it connect.").waitFor();
  await said(at.page).getByText("Target users").waitFor();
});

scene("a callback is used a second time", [], async (at) => {
  const { set, page, context } = at;
  await enterKeys(at);
  let callback;
  context.on("request", (request) => { if (request.url().includes("/callback/tiktok-live?")) callback = request.url(); });
  await connect(at);
  await page.goto(callback);
  await said(page).getByText("This consent was used already.").waitFor();
  await said(page).getByText("Check whether the channel is connected").waitFor();
  assert.equal((await set.get("/api/v1/channels")).length, 1);
  await page.getByRole("link", { name: "Begin again" }).click();
  await page.getByRole("button", { name: "+ Profile" }).waitFor();
});

scene("the callback comes from another browser", [], async (at) => {
  const { page } = at;
  await enterKeys(at);
  await page.addInitScript(() => { window.open = () => null; });
  await page.goto(`${at.set.origin}/channels/add/tiktok-live`);
  await page.getByRole("button", { name: "+ Profile" }).click();
  await page.getByRole("button", { name: "go on in this window" }).click();
  await page.waitForURL(/v2\/auth\/authorize/);
  await at.context.clearCookies();
  await page.getByRole("button", { name: "Authorize" }).click();
  await said(page).getByText("This consent was begun in another browser or by another user.").waitFor();
});

scene("the code of the callback has expired", [], async (at) => {
  await enterKeys(at);
  await at.set.fault({ match: { path: "/v2/oauth/token/" }, when: "before", action: { kind: "answer", status: 400, content_type: "application/json", body: '{"error":"invalid_grant","error_description":"Authorization code is expired.","log_id":"L1"}' }, times: 1 });
  const consent = await openConsent(at);
  await consent.getByRole("button", { name: "Authorize" }).click();
  await said(at.page).locator("strong").first().waitFor();
  assert.match(await said(at.page).innerText(), /connect|again/i);
  assert.equal((await at.set.get("/api/v1/channels")).length, 0);
});

scene("keys that the network does not know are found when they are saved", [], async (at) => {
  await enterKeys(at, "live", { key: "simkey-desktop", secret: "not-the-secret-0001" });
  await at.page.getByRole("region", { name: "Checks" }).getByText("Fix", { exact: true }).first().waitFor();
});
