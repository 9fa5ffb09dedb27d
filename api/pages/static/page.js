// Applies the server's updates without losing focus, scroll position or selection. The server renders
// all content except the age of the page and other running clocks.

const LOCAL_ATTRIBUTES = new Set([
  "data-selected", "data-left-out", "aria-pressed", "style", "open",
]);

function morph(old, updated) {
  const isOther = old.nodeName !== updated.nodeName || old.dataset?.key !== updated.dataset?.key;
  if (isOther) {
    old.replaceWith(updated);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== updated.nodeValue) old.nodeValue = updated.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!updated.hasAttribute(name) && !LOCAL_ATTRIBUTES.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...updated.attributes]) {
    const isLocal = LOCAL_ATTRIBUTES.has(name);
    if (!isLocal && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const oldChildren = [...old.childNodes];
  const newChildren = [...updated.childNodes];
  newChildren.forEach((child, index) =>
    index < oldChildren.length ? morph(oldChildren[index], child) : old.append(child),
  );
  oldChildren.slice(newChildren.length).forEach((each) => each.remove());
}

function parsed(html, beside) {
  const template = document.createElement("template");
  const isSvg = beside.namespaceURI === "http://www.w3.org/2000/svg";
  template.innerHTML = isSvg ? `<svg>${html}</svg>` : html;
  const first = template.content.firstElementChild;
  return isSvg ? first.firstElementChild : first;
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// Swedish times are as ISO 8601 writes them.
const LOCAL = new Intl.DateTimeFormat("sv-SE", {
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "shortOffset",
});
// As the terminal names the zone: `UTC`, not `GMT` or `GMT+0`.
const localTime = (date) => LOCAL.format(date).replace("GMT", "UTC").replace(/UTC[+−-]0$/, "UTC");
const LOCAL_SHORT = new Intl.DateTimeFormat("sv-SE", { timeStyle: "medium" });

const FAILURE =
  '<div class="ask"><h2 id="dialog-title">✗ Not done</h2><p role="alert"></p>' +
  '<p class="buttons"><button type="button" data-close autofocus>Close</button></p></div>';

const page = document.getElementById("page");
const base = location.pathname.replace(/\/$/, "");
let shown = page.dataset.shown;
let stream = null;
let selectedWave;
// The snapshot and the wave that the panel shows, so that each is asked for once.
let panelShows = "";
let dialogAddress = "";
let filterText = "";
// Counts the dialogs asked for, as the event of a closed one may come after the next was asked for.
let asked = 0;
let askedOfShown = 0;
// Seconds by which the server's clock is ahead of the browser's.
let clockOffset = 0;
let hasServerTime = false;
// Set from the start, so that a page that never gets an update is marked as out of date.
let age = { seenTime: Date.now() / 1000, oldAfter: 8, error: "" };
let isSignedOut = false;
const signInAddress = () => `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;

// A hidden page has no stream, because browsers open few connections to one server.
function connect() {
  if (stream || document.hidden) return;
  // Another server process numbers its snapshots differently.
  panelShows = "";
  const query = new URLSearchParams(location.search);
  query.set("shown", shown);
  stream = new EventSource(`${base}/events?${query}`);
  const on = (name, handle) =>
    stream.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  on("parts", updateParts);
  on("page", replacePage);
  on("age", setAge);
  on("signed_out", showSignedOut);
  // The browser's own reconnection would send the digest of parts that have changed since.
  stream.addEventListener("error", () => {
    disconnect();
    setTimeout(connect, 1000);
  });
}
function disconnect() {
  stream?.close();
  stream = null;
}

// The page stays, with what was typed; it is connected again when the user comes back to it.
function showSignedOut() {
  disconnect();
  isSignedOut = true;
  tick();
}
function replacePage(replaced) {
  isSignedOut = false;
  page.innerHTML = replaced.html;
  shown = replaced.shown;
  applyStyles(page);
  showLocalTimes(page);
  const filter = document.getElementById("filter");
  if (filter) filter.value = filterText;
  applyFilter();
  restore();
  showZoom();
  tick();
}
function replacePart(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  morph(old, parsed(html, old));
  const current = document.getElementById(id);
  if (!current) return;
  applyStyles(current);
  showLocalTimes(current);
  if (current.querySelector(".graph")) showZoom();
}
function updateParts(parts) {
  // The next stream sends all parts.
  shown = "changed";
  for (const [id, html] of Object.entries(parts)) {
    replacePart(id, html);
    if (/^r\d+$/.test(id)) regroup(document.getElementById(id));
  }
  markSelected();
  applyFilter();
  tick();
}
// Leaves out what does not have all words of the filter; again after each update.
function applyFilter() {
  const count = document.getElementById("filter-count");
  if (!count) return;
  const words = filterText.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = [];
  for (const list of page.querySelectorAll("[data-filtered]")) {
    const items = [...list.querySelectorAll("[data-find]")];
    const found = items.filter((each) => {
      const text = each.dataset.find.toLowerCase();
      const isFound = words.every((word) => text.includes(word));
      each.toggleAttribute("data-left-out", !isFound);
      return isFound;
    });
    if (items.length) counts.push(`${found.length} of ${items.length} ${list.dataset.filtered}`);
  }
  const text = words.length ? counts.join(", ") : "";
  if (count.textContent !== text) count.textContent = text;
}
// Moves a wave to the list of its group, where the order is the plan's.
function regroup(row) {
  const list = document.getElementById(`waves-${row.dataset.group}`);
  if (row.parentElement === list) return;
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  const place = (each) => Number(each.id.slice(1));
  list.insertBefore(row, [...list.rows].find((each) => place(each) > place(row)) ?? null);
  focused?.focus();
}
function showLocalTimes(root) {
  for (const each of root.querySelectorAll("[data-time]")) {
    const time = 1000 * each.dataset.time;
    each.textContent = "short" in each.dataset ? LOCAL_SHORT.format(time) : localTime(time);
  }
}
// The content security policy forbids style attributes; scripts may set styles.
function applyStyles(root) {
  for (const each of [root, ...root.querySelectorAll("[data-style]")]) {
    const wanted = each.dataset.style;
    if (wanted === undefined || each.appliedStyle === wanted) continue;
    each.style.cssText = wanted;
    each.appliedStyle = wanted;
  }
}

function setAge({ now, number, ...rest }) {
  const offset = now - Date.now() / 1000;
  // A delayed message makes the offset too small; only a clock that was set back lowers it.
  const isReset = !hasServerTime || offset < clockOffset - 60;
  clockOffset = isReset ? offset : Math.max(clockOffset, offset);
  hasServerTime = true;
  isSignedOut = false;
  age = rest;
  tick();
  showPanel(String(number));
}
// Updates the age of the page and all running clocks.
function tick() {
  let now = Date.now() / 1000 + clockOffset;
  for (const each of page.querySelectorAll("[data-until]")) {
    const left = each.dataset.until - now;
    const { before, after } = each.dataset;
    each.classList.toggle("is-over", left <= 0);
    each.textContent = left > 0 ? `${clock(left)} ${before}` : `${clock(-left)} ${after}`;
  }
  // What is not known does not go on counting.
  if (showAge(now)) now = age.seenTime;
  for (const each of page.querySelectorAll("[data-since]")) {
    each.textContent = clock(now - Number(each.dataset.since));
  }
  for (const axis of page.querySelectorAll("[data-axis]")) {
    const fraction = Math.min(1, Math.max(0, (now - axis.dataset.axis) / axis.dataset.length));
    const chart = document.getElementById(axis.dataset.for);
    chart.style.setProperty("--now", `${(100 * fraction).toFixed(2)}%`);
  }
}
function showAge(now) {
  const banner = document.getElementById("old");
  if (!banner) return false;
  const { seenTime, oldAfter, error } = age;
  const isOld = isSignedOut || Boolean(error) || now - seenTime > oldAfter;
  // Until the first update, the page is as old as the server says.
  if (!isOld && !hasServerTime) return !banner.hidden;
  document.documentElement.classList.toggle("is-old", isOld);
  banner.hidden = !isOld;
  if (!isOld) return false;
  const isDisconnected = stream?.readyState !== EventSource.OPEN;
  const trouble = isDisconnected ? "this page has no connection to drs-waves" : error || "no answer";
  const cause = isSignedOut ? "your sign-in has ended" : `${trouble}. Trying again`;
  const message = `LAST KNOWN STATE, of ${localTime(1000 * seenTime)}: ${cause}.`;
  const signIn = banner.querySelector("a");
  signIn.hidden = !isSignedOut;
  signIn.href = signInAddress();
  const text = banner.querySelector(".message");
  // A screen reader repeats the text with every change.
  if (text.textContent !== message) text.textContent = message;
  banner.querySelector(".age").textContent = `${clock(now - seenTime)} old`;
  return true;
}

function choose(wave, scroll) {
  if (!document.querySelector(`[data-choose="${CSS.escape(wave)}"]`)) return;
  selectedWave = wave;
  history.replaceState(null, "", `#${encodeURIComponent(wave)}`);
  markSelected();
  panelShows = "";
  showPanel("");
  if (scroll && isNarrow()) document.getElementById("panel")?.scrollIntoView();
}
const isNarrow = () => window.matchMedia("(max-width: 1099px)").matches;
async function showPanel(number) {
  const wanted = `${number} ${selectedWave}`;
  if (selectedWave === undefined || panelShows === wanted) return;
  panelShows = wanted;
  const html = await fetched(`${base}/panel?wave=${encodeURIComponent(selectedWave)}`);
  if (panelShows !== wanted) return;
  if (!html.ok) panelShows = "";
  else {
    replacePart("panel", html.text);
    tick();
  }
}
// What is not part of the page's state is read while it is open.
async function load(details) {
  const { ok, text } = await fetched(`${base}/${details.dataset.load}`);
  if (ok) replacePart(details.dataset.load, text);
  else details.querySelector("div").textContent = `✗ ${text}`;
}
const LOAD_SECONDS = 15;
function loadOpened() {
  if (!document.hidden) page.querySelectorAll("details[data-load][open]").forEach(load);
}
// Selects the next wave that a text finds, and brings it into view.
async function findWave(form) {
  const wanted = form.elements.text.value;
  const { ok, text } = await fetched(`${base}/find?text=${encodeURIComponent(wanted)}`);
  const found = ok ? JSON.parse(text) : [];
  let message = ok ? "No wave or server found" : text;
  if (found.length) {
    const at = (found.findIndex((each) => each.WaveId === selectedWave) + 1) % found.length;
    const { WaveId: wave, Text: what } = found[at];
    choose(wave, false);
    const row = page.querySelector(`tr[data-choose="${CSS.escape(wave)}"]`);
    row.closest("details").open = true;
    const node = page.querySelector(`.node[data-choose="${CSS.escape(wave)}"]`);
    (isNarrow() ? row : node).scrollIntoView({ block: "center", inline: "center" });
    message = `${at + 1} of ${found.length}: ${what}`;
  }
  document.getElementById("found").textContent = message;
}

// null: the whole graph, unless nobody could read it.
let chosenZoom = null;
const READABLE_ZOOM = 0.45;
function showZoom() {
  const graph = page.querySelector(".graph");
  if (!graph) return;
  const width = (graph.parentElement.clientWidth - 12) / graph.dataset.width;
  const height = (0.7 * window.innerHeight) / graph.dataset.height;
  const fit = Math.min(1, width, height);
  const zoom = chosenZoom ?? (fit < READABLE_ZOOM ? 0.8 : fit);
  graph.style.zoom = zoom;
  graph.classList.toggle("is-far", zoom < 0.72);
  document.getElementById("zoom").textContent = `${Math.round(100 * zoom)} %`;
  return zoom;
}
function changeZoom(wanted) {
  const steps = { in: 1.25, out: 0.8 };
  const now = showZoom();
  chosenZoom = wanted in steps ? Math.min(2, Math.max(0.2, now * steps[wanted])) : null;
  showZoom();
  page.querySelector(".node[data-selected]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Which groups of waves are open is remembered; the server's HTML has the default.
const openKey = (details) => `drs-waves-open-${details.dataset.keep}`;
function restoreOpen() {
  for (const each of page.querySelectorAll("details[data-keep]")) {
    const kept = localStorage.getItem(openKey(each));
    if (kept !== null) each.open = kept === "true";
  }
}

function restore() {
  restoreOpen();
  const wave = selectedWave ?? decodeURIComponent(location.hash.slice(1));
  if (wave) choose(wave, false);
}
function markSelected() {
  for (const each of page.querySelectorAll("[data-choose]")) {
    const selected = each.dataset.choose === selectedWave;
    each.toggleAttribute("data-selected", selected);
    if (each.matches("button")) each.setAttribute("aria-pressed", String(selected));
  }
}

async function fetched(address, options) {
  try {
    const response = await fetch(address, options);
    const running = response.headers.get("Content-Location");
    const link =
      response.status === 401
        ? { href: signInAddress(), target: "_blank", textContent: "Sign in" }
        : running && { href: running, textContent: "Open it" };
    if (isSignedOut && response.ok) connect();
    return { ok: response.ok, text: await response.text(), link };
  } catch {
    return { ok: false, text: "drs-waves does not answer; whether it was done is not known" };
  }
}
// What was typed into a form stays, also when its dialog is closed, until it has been sent.
const drafts = new Map();
function keepDraft(form) {
  if (form?.dataset.draft) drafts.set(dialogAddress + form.dataset.draft, [...new FormData(form)]);
}
function restoreDraft(form) {
  for (const [name, value] of drafts.get(dialogAddress + form?.dataset.draft) ?? []) {
    const field = form.elements[name];
    if (field && field.type !== "hidden") field.value = value;
  }
}
// The browser's own dialogs keep the focus inside and close with Escape.
async function openDialog(name, about) {
  const query = about === undefined ? "" : `?about=${encodeURIComponent(about)}`;
  const address = `${base}/dialogs/${name}`;
  asked += 1;
  dialogAddress = address + query;
  const wanted = dialogAddress;
  const { ok, text } = await fetched(wanted);
  if (dialogAddress !== wanted) return;
  if (ok) showDialog(text);
  else showFailure(text);
  loadDetails();
}
async function loadDetails() {
  if (!document.getElementById("dialog-details")) return;
  const wanted = dialogAddress;
  const [address, query] = wanted.split("?");
  const { ok, text } = await fetched(`${address}/details${query ? `?${query}` : ""}`);
  if (dialogAddress !== wanted) return;
  if (ok) replacePart("dialog-details", text);
  else {
    const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Check again" });
    again.dataset.check = "";
    document.getElementById("dialog-details").replaceChildren(`${text} `, again);
  }
  typed();
}
function checkAgain(button) {
  button.disabled = true;
  button.textContent = "Checking…";
  loadDetails();
}
function showDialog(html) {
  const dialog = document.getElementById("dialog");
  dialog.querySelector("#dialog-content").innerHTML = html;
  if (!dialog.open) dialog.showModal();
  askedOfShown = asked;
  showLocalTimes(dialog);
  restoreDraft(dialog.querySelector("form"));
  typed();
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("button"))?.focus();
}
function showFailure(text) {
  showDialog(FAILURE);
  document.querySelector("#dialog [role=alert]").textContent = text;
}
async function send(form, submitter) {
  const fields = Object.fromEntries(new FormData(form, submitter));
  const buttons = form.querySelectorAll("button[type=submit]");
  const outcome = form.querySelector("#dialog-outcome");
  const draft = dialogAddress + form.dataset.draft;
  for (const each of buttons) each.disabled = true;
  outcome.textContent = "Sending…";
  const { ok, text, link } = await fetched(dialogAddress, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields),
  });
  // The dialog may have been closed meanwhile, and another opened.
  if (!form.isConnected && dialogAddress) return;
  if (ok) {
    drafts.delete(draft);
    return showDialog(text);
  }
  if (!form.isConnected) return showFailure(text);
  outcome.textContent = `✗ NOT DONE: ${text}`;
  if (link) {
    const open = Object.assign(document.createElement("a"), link);
    outcome.append(" ", open);
    open.focus();
  }
  // A long form scrolls.
  outcome.scrollIntoView({ block: "nearest" });
  for (const each of buttons) each.disabled = false;
  typed();
}
function typed() {
  for (const button of page.querySelectorAll("[data-needs]")) {
    const field = button.form?.elements[button.dataset.field];
    // What starts a RECOVERY waits for the check of its targets.
    const waits = button.matches("[data-waits]") && !document.querySelector("#dialog-details[data-checked]");
    button.disabled = waits || field?.value !== button.dataset.needs;
  }
}

page.addEventListener("click", (event) => {
  const target = event.target.closest(
    "[data-choose],[data-ask],[data-show],[data-theme-to],[data-check],[data-close],[data-zoom],[data-keep]>summary",
  );
  if (!target || target.disabled) return;
  const { choose: wave, ask, show, themeTo, wave: about, zoom } = target.dataset;
  if (wave !== undefined) choose(wave, true);
  else if (ask || show) openDialog(ask ?? show, about || undefined);
  else if (themeTo) window.drsWavesTheme(themeTo);
  else if (target.matches("[data-check]")) checkAgain(target);
  else if (zoom) changeZoom(zoom);
  // The browser opens or closes it after this event.
  else if (target.matches("summary")) localStorage.setItem(openKey(target.parentElement), !target.parentElement.open);
  else document.getElementById("dialog").close();
});
page.addEventListener("keydown", (event) => {
  const wanted = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
  if (wanted && event.target.closest(".graph-box") && !event.ctrlKey && !event.metaKey) changeZoom(wanted);
});
page.addEventListener("toggle", ({ target }) => target.matches("[data-load][open]") && load(target), true);
window.addEventListener("resize", showZoom);
page.addEventListener("submit", (event) => {
  if (event.target.id === "find") {
    event.preventDefault();
    findWave(event.target);
    return;
  }
  if (!event.target.closest("#dialog")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});
page.addEventListener("input", (event) => {
  typed();
  keepDraft(event.target.closest("#dialog form"));
  if (event.target.id !== "filter") return;
  filterText = event.target.value;
  applyFilter();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input,textarea,select,dialog");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  const filter = document.getElementById("filter");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
});
page.addEventListener("close", (event) => {
  if (event.target.id !== "dialog" || event.target.open || askedOfShown !== asked) return;
  dialogAddress = "";
  document.getElementById("dialog-content").replaceChildren();
}, true);
window.addEventListener("hashchange", () => {
  selectedWave = undefined;
  restore();
});
applyStyles(page);
showLocalTimes(page);
if (shown !== undefined) {
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("focus", connect);
  connect();
  setInterval(tick, 1000);
  setInterval(loadOpened, 1000 * LOAD_SECONDS);
  restore();
  showZoom();
  tick();
}
