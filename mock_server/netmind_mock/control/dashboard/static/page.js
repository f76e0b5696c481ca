// Updates a page and sends its forms without a reload, and copies text. Without this script, only copying does not work.
const PAUSE_MS = 700;
const pause = document.querySelector("#pause");
const live = document.querySelector("#live");
const outcome = document.querySelector("#outcome");
let paused = false;
let etag = "";

// A part that is in use is not replaced: one with open details, or with the focus in a field.
const isInUse = (part) =>
  part.querySelector("details[open]") !== null ||
  (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

const adopt = (page) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh || fresh.innerHTML === part.innerHTML || isInUse(part)) continue;
    const focused = part.contains(document.activeElement) ? [...part.querySelectorAll("a, button, summary")].indexOf(document.activeElement) : -1;
    part.innerHTML = fresh.innerHTML;
    if (focused >= 0) part.querySelectorAll("a, button, summary")[focused]?.focus();
    prepare(part);
  }
};

const update = async () => {
  const response = await fetch(location.href, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  etag = response.headers.get("ETag") ?? "";
  adopt(new DOMParser().parseFromString(await response.text(), "text/html"));
};

const watch = async () => {
  if (!paused && !document.hidden) {
    try {
      await update();
      live.textContent = "Updates automatically.";
    } catch (error) {
      live.textContent = `The fake does not respond (${error.message}); trying again.`;
    }
  }
  setTimeout(watch, PAUSE_MS);
};

const press = async (event) => {
  const form = event.target;
  if (!form.matches("form.act")) return;
  event.preventDefault();
  outcome.textContent = "";
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    outcome.textContent = response.ok ? `Done: ${event.submitter?.textContent ?? ""}` : (page.querySelector("main .warned")?.textContent ?? `HTTP ${response.status}`);
    if (document.activeElement?.matches("input")) document.activeElement.blur();
    etag = "";
    await update();
  } catch (error) {
    outcome.textContent = `The fake does not respond: ${error.message}`;
  }
};

const copy = async (button) => {
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  outcome.textContent = "Copied.";
};

const prepare = (part) => {
  // Browsers offer the clipboard only to pages from this machine, or over TLS.
  if (navigator.clipboard) for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
};

document.addEventListener("submit", press);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  live.textContent = paused ? "Paused." : "Updates automatically.";
});
prepare(document);
watch();
