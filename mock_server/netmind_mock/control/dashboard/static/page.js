// Keeps a page as it would be after a reload, presses buttons without one, and copies. All of it works without this.
const PAUSE_MS = 700;
const pause = document.querySelector("#pause");
const live = document.querySelector("#live");
const told = document.querySelector("#told");
let paused = false;
let etag = "";

// What a person is at is left alone: a field with the focus, or something that was unfolded.
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

const look = async () => {
  const answer = await fetch(location.href, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  etag = answer.headers.get("ETag") ?? "";
  adopt(new DOMParser().parseFromString(await answer.text(), "text/html"));
};

const watch = async () => {
  if (!paused && !document.hidden) {
    try {
      await look();
      live.textContent = "Changes appear by themselves.";
    } catch (error) {
      live.textContent = `The fake does not answer (${error.message}); trying again.`;
    }
  }
  setTimeout(watch, PAUSE_MS);
};

const press = async (event) => {
  const form = event.target;
  if (!form.matches("form.act")) return;
  event.preventDefault();
  told.textContent = "";
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    told.textContent = answer.ok ? `Done: ${event.submitter?.textContent ?? ""}` : (page.querySelector("main .warned")?.textContent ?? `HTTP ${answer.status}`);
    if (document.activeElement?.matches("input")) document.activeElement.blur();
    etag = "";
    await look();
  } catch (error) {
    told.textContent = `The fake does not answer: ${error.message}`;
  }
};

const copy = async (button) => {
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  told.textContent = "Copied.";
};

const prepare = (part) => {
  // Elsewhere than on this machine a browser lets no page copy.
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
  live.textContent = paused ? "Paused." : "Changes appear by themselves.";
});
prepare(document);
watch();
