// In the consent's window: reports the result to the opening page, and closes. If no page listens, this
// page shows the result.

const outcome = document.getElementById("outcome");
if (outcome && (window.opener || window.name === "consent" || history.length === 1)) {
  const told = new BroadcastChannel("social-channel-consent");
  told.addEventListener("message", ({ data }) => { if (data.kind === "taken") window.close(); });
  const lines = [...outcome.querySelectorAll("p")].map((p) => p.textContent);
  told.postMessage(
    outcome.dataset.failed ? { kind: "failed", lines } : { kind: "connected", channel: outcome.dataset.connected },
  );
}
