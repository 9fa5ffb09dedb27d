// Shows HTML from the server and applies changes without losing focus, scroll position or selection.
// The server renders all content except the age of the page and other running clocks.

const LOCAL_ATTRIBUTES = new Set(["data-selected", "aria-pressed"]);

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
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
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

export default {
  template: '<div class="page-element"></div>',
  props: { html: String },
  emits: ["choose", "ask", "send", "closed"],
  mounted() {
    // Seconds by which the server's clock is ahead of the browser's.
    this.clockOffset = 0;
    // Set from the start, so that a page that never gets an update is marked as out of date.
    this.age = {
      seenTime: Date.now() / 1000, seenText: "the page was loaded", oldAfter: 8, error: "",
    };
    this.hasServerTime = false;
    this.$el.innerHTML = this.html;
    this.$el.addEventListener("click", this.clicked);
    this.$el.addEventListener("submit", this.submitted);
    this.$el.addEventListener("input", this.typed);
    this.$el.addEventListener("close", this.closed, true);
    window.addEventListener("hashchange", this.hashChanged);
    this.timer = setInterval(this.tick, 1000);
    this.restore();
    this.tick();
  },
  beforeUnmount() {
    window.removeEventListener("hashchange", this.hashChanged);
    clearInterval(this.timer);
  },
  methods: {
    replacePage(html) {
      this.$el.innerHTML = html;
      this.restore();
      this.tick();
    },
    updateParts(parts) {
      for (const [id, html] of Object.entries(parts)) {
        const old = document.getElementById(id);
        if (old) morph(old, parsed(html, old));
      }
      this.markSelected();
      this.tick();
    },
    setAge(now, seenTime, seenText, oldAfter, error) {
      const offset = now - Date.now() / 1000;
      // A delayed message makes the offset too small; only a clock that was set back lowers it.
      const isReset = !this.hasServerTime || offset < this.clockOffset - 60;
      this.clockOffset = isReset ? offset : Math.max(this.clockOffset, offset);
      this.hasServerTime = true;
      this.age = { seenTime, seenText, oldAfter, error };
      this.tick();
    },
    goTo(address) {
      window.location.assign(address);
    },

    // Updates the age of the page and all running clocks.
    tick() {
      const now = Date.now() / 1000 + this.clockOffset;
      this.showAge(now);
      for (const each of this.$el.querySelectorAll("[data-since]")) {
        each.textContent = clock(now - Number(each.dataset.since));
      }
      for (const axis of this.$el.querySelectorAll("[data-axis]")) {
        const fraction = Math.min(1, Math.max(0, (now - axis.dataset.axis) / axis.dataset.length));
        const chart = document.getElementById(axis.dataset.for);
        chart.style.setProperty("--now", `${(100 * fraction).toFixed(2)}%`);
      }
    },
    showAge(now) {
      const banner = document.getElementById("old");
      if (!banner) return;
      const { seenTime, seenText, oldAfter, error } = this.age;
      const isOld = Boolean(error) || now - seenTime > oldAfter;
      document.documentElement.classList.toggle("is-old", isOld);
      banner.hidden = !isOld;
      if (!isOld) return;
      const isDisconnected = window.socket && !window.socket.connected;
      const cause = isDisconnected ? "this page has no connection to drs-waves" : error || "no answer";
      const message = `OUT OF DATE since ${seenText}: ${cause}. Trying again.`;
      const text = banner.querySelector(".message");
      // A screen reader repeats the text with every change.
      if (text.textContent !== message) text.textContent = message;
      banner.querySelector(".age").textContent = `${clock(now - seenTime)} old`;
    },

    clicked(event) {
      const target = event.target.closest(
        "[data-choose],[data-ask],[data-show],[data-theme-to],[data-close]",
      );
      if (!target || target.disabled) return;
      if (target.dataset.choose !== undefined) this.choose(target.dataset.choose, true);
      else if (target.dataset.ask || target.dataset.show) this.$emit("ask", { ...target.dataset });
      else if (target.dataset.themeTo) window.drsWavesTheme(target.dataset.themeTo);
      else document.getElementById("dialog").close();
    },
    choose(wave, scroll) {
      if (!document.querySelector(`[data-choose="${CSS.escape(wave)}"]`)) return;
      this.selectedWave = wave;
      history.replaceState(null, "", `#${encodeURIComponent(wave)}`);
      this.markSelected();
      this.$emit("choose", { wave });
      const narrow = window.matchMedia("(max-width: 1099px)").matches;
      if (scroll && narrow) document.getElementById("panel")?.scrollIntoView();
    },
    restore() {
      const wave = this.selectedWave ?? decodeURIComponent(window.location.hash.slice(1));
      if (wave) this.choose(wave, false);
    },
    hashChanged() {
      this.selectedWave = undefined;
      this.restore();
    },
    markSelected() {
      for (const each of this.$el.querySelectorAll("[data-choose]")) {
        const selected = each.dataset.choose === this.selectedWave;
        each.toggleAttribute("data-selected", selected);
        if (each.matches("button")) each.setAttribute("aria-pressed", String(selected));
      }
    },

    // The browser's own dialogs keep the focus inside and close with Escape.
    openDialog(html, number) {
      const dialog = document.getElementById("dialog");
      this.dialogNumber = number;
      dialog.querySelector("#dialog-content").innerHTML = html;
      if (!dialog.open) dialog.showModal();
      this.typed();
      (dialog.querySelector("[autofocus]") ?? dialog.querySelector("button"))?.focus();
    },
    showDialogError(error) {
      const dialog = document.getElementById("dialog");
      const outcome = dialog.querySelector("#dialog-outcome");
      if (outcome) outcome.textContent = `✗ NOT DONE: ${error}`;
      for (const each of dialog.querySelectorAll("button[type=submit]")) each.disabled = false;
      this.typed();
    },
    typed() {
      for (const button of this.$el.querySelectorAll("[data-needs]")) {
        const field = button.form?.elements[button.dataset.field];
        button.disabled = field?.value !== button.dataset.needs;
      }
    },
    submitted(event) {
      if (!event.target.closest("#dialog")) return;
      event.preventDefault();
      const fields = Object.fromEntries(new FormData(event.target, event.submitter));
      for (const each of event.target.querySelectorAll("button[type=submit]")) each.disabled = true;
      const outcome = event.target.querySelector("#dialog-outcome");
      if (outcome) outcome.textContent = "Sending…";
      this.$emit("send", { dialog: this.dialogNumber, fields });
    },
    closed(event) {
      if (event.target.id === "dialog") this.$emit("closed", { dialog: this.dialogNumber });
    },
  },
};
