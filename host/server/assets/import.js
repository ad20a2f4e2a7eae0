// Reads a chosen file into the table, and shows the result beside it: after a check the table is still there to import.

const form = document.getElementById("import");
if (form) {
  const [file, rows] = [document.getElementById("file"), document.getElementById("rows")];
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    rows.value = await chosen.text();
    form.format.value = chosen.name.toLowerCase().endsWith(".csv") ? "csv" : "jsonl";
  });
  const buttons = form.querySelectorAll("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    for (const button of buttons) button.disabled = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const outcome = page.getElementById("outcome") ?? page.querySelector("main");
      document.getElementById("outcome").replaceChildren(...(outcome?.childNodes ?? []));
      document.getElementById("outcome").scrollIntoView({ block: "nearest" });
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  });
}
