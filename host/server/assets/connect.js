// Opens the consent in a separate window; where something is entered first it stays in this one, because the answer may be about
// what was entered, and may need no other page. If the browser blocks it, the page says so and offers this window.
// The result arrives through a broadcast channel of this origin.

const go = document.querySelector("[data-go]");
if (go) location.replace(go.href);

const form = document.getElementById("connect");
if (form) {
  const outcome = document.getElementById("outcome");
  const say = (id) => {
    const note = document.getElementById(id).content.cloneNode(true);
    note.firstElementChild.setAttribute("role", id === "waiting" ? "status" : "alert");
    outcome.replaceChildren(note);
  };
  let here = false;
  let answered = false;

  form.addEventListener("submit", (event) => {
    // What was entered may be wrong, or be the whole way in: that is told on this page.
    if (here || [...form.querySelectorAll('[name^="i."]')].some((input) => input.value)) return;
    answered = false;
    const popup = window.open("about:blank", "consent", "popup,width=560,height=780");
    if (!popup) {
      event.preventDefault();
      say("blocked");
      outcome.querySelector("[data-here]").addEventListener("click", () => {
        here = true;
        form.target = "";
        form.requestSubmit();
      });
      return;
    }
    form.target = "consent";
    say("waiting");
    const watch = setInterval(() => {
      if (answered) clearInterval(watch);
      else if (popup.closed) {
        clearInterval(watch);
        // The result may still arrive from a window that the network's page has detached from this one.
        setTimeout(() => { if (!answered) say("closed"); }, 700);
      }
    }, 300);
  });

  const heard = new BroadcastChannel("social-channel-consent");
  heard.addEventListener("message", ({ data }) => {
    if (data.kind === "connected") {
      answered = true;
      heard.postMessage({ kind: "taken" });
      location.assign(`/channels?connected=${encodeURIComponent(data.channel)}`);
    } else if (data.kind === "failed") {
      answered = true;
      heard.postMessage({ kind: "taken" });
      const note = document.createElement("div");
      note.className = "note bad";
      note.setAttribute("role", "alert");
      for (const [index, text] of data.lines.entries()) {
        const p = document.createElement("p");
        const inner = index === 0 ? p.appendChild(document.createElement("strong")) : p;
        inner.textContent = text;
        note.append(p);
      }
      outcome.replaceChildren(note);
      outcome.scrollIntoView({ block: "nearest" });
    }
  });
}
