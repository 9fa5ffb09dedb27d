// Checks the text of a plan while it is edited, and registers it. Uses functions of page.js.

const editor = document.getElementById("editor");
const planFile = editor.elements.text;
const CHECK_MILLISECONDS = 400;
const original = planFile.value;
let checkTimer;
let isRegistered = false;

function posted(address) {
  return fetched(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData(editor))),
  });
}
function say(text, link) {
  const outcome = document.getElementById("editor-outcome");
  outcome.textContent = text;
  if (link) outcome.append(" ", Object.assign(document.createElement("a"), link));
}
async function check() {
  const value = planFile.value;
  const { ok, text, link } = await posted("/editor/check");
  // Another check follows.
  if (value !== planFile.value) return;
  if (!ok) return say(`✗ NOT CHECKED: ${text}`, link);
  for (const [id, html] of Object.entries(JSON.parse(text))) replacePart(id, html);
}
async function register() {
  for (const each of editor.querySelectorAll("[type=submit]")) each.disabled = true;
  say("Registering…");
  const { ok, text, link } = await posted("/editor/register");
  if (ok) {
    isRegistered = true;
    return location.assign(JSON.parse(text));
  }
  // Shows the difference to a version that somebody else has registered.
  await check();
  say(`✗ NOT DONE: ${text}`, link);
}
function showLine() {
  const line = planFile.value.slice(0, planFile.selectionStart).split("\n").length;
  document.getElementById("editor-line").textContent = `cursor in line ${line}`;
}
function goToLine(number) {
  const lines = planFile.value.split("\n");
  const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
  planFile.focus();
  planFile.setSelectionRange(start, start + (lines[number - 1] ?? "").length);
  planFile.scrollTop = (planFile.scrollHeight / lines.length) * Math.max(0, number - 5);
  showLine();
}

planFile.addEventListener("input", () => {
  for (const each of editor.querySelectorAll("[type=submit]")) each.disabled = true;
  clearTimeout(checkTimer);
  checkTimer = setTimeout(check, CHECK_MILLISECONDS);
});
document.addEventListener("selectionchange", showLine);
editor.addEventListener("click", (event) => {
  const line = event.target.closest("[data-line]")?.dataset.line;
  if (line) goToLine(Number(line));
});
editor.addEventListener("submit", (event) => {
  event.preventDefault();
  register();
});
window.addEventListener("beforeunload", (event) => {
  if (!isRegistered && planFile.value !== original) event.preventDefault();
});
