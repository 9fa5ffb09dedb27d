// Shows HTML that the server renders and takes changes in without losing focus, scroll or selection.
// Nothing here decides anything: what the page says comes from the server, but for how old it is.

const KEPT = new Set(["data-selected", "aria-pressed"]);

function morph(old, fresh) {
  const other = old.nodeName !== fresh.nodeName || old.dataset?.key !== fresh.dataset?.key;
  if (other) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const had = [...old.childNodes];
  const has = [...fresh.childNodes];
  has.forEach((child, place) => (place < had.length ? morph(had[place], child) : old.append(child)));
  had.slice(has.length).forEach((each) => each.remove());
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
  template: '<div class="live"></div>',
  props: { html: String },
  emits: ["choose", "ask", "send", "gone"],
  mounted() {
    // By how much the server's clock is ahead of ours.
    this.ahead = 0;
    // A page that is never told anything must not look as if it were told.
    this.heard = { seen: Date.now() / 1000, seenText: "its loading", oldAfter: 8, error: "" };
    this.isTold = false;
    this.$el.innerHTML = this.html;
    this.$el.addEventListener("click", this.clicked);
    this.$el.addEventListener("submit", this.submitted);
    this.$el.addEventListener("input", this.typed);
    this.$el.addEventListener("close", this.closed, true);
    window.addEventListener("hashchange", this.turned);
    this.timer = setInterval(this.tick, 1000);
    this.restore();
    this.tick();
  },
  beforeUnmount() {
    window.removeEventListener("hashchange", this.turned);
    clearInterval(this.timer);
  },
  methods: {
    whole(html) {
      this.$el.innerHTML = html;
      this.restore();
      this.tick();
    },
    change(parts) {
      for (const [id, html] of Object.entries(parts)) {
        const shown = document.getElementById(id);
        if (shown) morph(shown, parsed(html, shown));
      }
      this.mark();
      this.tick();
    },
    beat(now, seen, seenText, oldAfter, error) {
      const ahead = now - Date.now() / 1000;
      // What came late on its way says too little; only a clock that was set is believed.
      const isSet = !this.isTold || ahead < this.ahead - 60;
      this.ahead = isSet ? ahead : Math.max(this.ahead, ahead);
      this.isTold = true;
      this.heard = { seen, seenText, oldAfter, error };
      this.tick();
    },
    go(address) {
      window.location.assign(address);
    },

    // How old the picture is, and everything else that grows with the clock.
    tick() {
      const now = Date.now() / 1000 + this.ahead;
      this.age(now);
      for (const each of this.$el.querySelectorAll("[data-since]")) {
        each.textContent = clock(now - Number(each.dataset.since));
      }
      for (const axis of this.$el.querySelectorAll("[data-axis]")) {
        const share = Math.min(1, Math.max(0, (now - axis.dataset.axis) / axis.dataset.length));
        const drawn = document.getElementById(axis.dataset.for);
        drawn.style.setProperty("--now", `${(100 * share).toFixed(2)}%`);
      }
    },
    age(now) {
      const banner = document.getElementById("old");
      if (!banner) return;
      const { seen, seenText, oldAfter, error } = this.heard;
      const isOld = Boolean(error) || now - seen > oldAfter;
      document.documentElement.classList.toggle("is-old", isOld);
      banner.hidden = !isOld;
      if (!isOld) return;
      const silent = window.socket && !window.socket.connected;
      const cause = silent ? "this page has no connection to drs-waves" : error || "no answer since";
      const told = `OLD PICTURE. It is of ${seenText}: ${cause}. Trying again.`;
      const text = banner.querySelector(".told");
      // A reader's software says it again with every change.
      if (text.textContent !== told) text.textContent = told;
      banner.querySelector(".age").textContent = `${clock(now - seen)} old`;
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
    choose(wave, told) {
      if (!document.querySelector(`[data-choose="${CSS.escape(wave)}"]`)) return;
      this.chosen = wave;
      history.replaceState(null, "", `#${encodeURIComponent(wave)}`);
      this.mark();
      this.$emit("choose", { wave });
      const narrow = window.matchMedia("(max-width: 1099px)").matches;
      if (told && narrow) document.getElementById("panel")?.scrollIntoView();
    },
    restore() {
      const wave = this.chosen ?? decodeURIComponent(window.location.hash.slice(1));
      if (wave) this.choose(wave, false);
    },
    turned() {
      this.chosen = undefined;
      this.restore();
    },
    mark() {
      for (const each of this.$el.querySelectorAll("[data-choose]")) {
        const selected = each.dataset.choose === this.chosen;
        each.toggleAttribute("data-selected", selected);
        if (each.matches("button")) each.setAttribute("aria-pressed", String(selected));
      }
    },

    // Dialogs: the browser's own, which keep the focus inside and close by Escape.
    openDialog(html) {
      const dialog = document.getElementById("dialog");
      dialog.querySelector("#dialog-content").innerHTML = html;
      if (!dialog.open) dialog.showModal();
      this.typed();
      (dialog.querySelector("[autofocus]") ?? dialog.querySelector("button"))?.focus();
    },
    fail(why) {
      const dialog = document.getElementById("dialog");
      const told = dialog.querySelector("#dialog-outcome");
      if (told) told.textContent = `✗ NOT DONE: ${why}`;
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
      const told = event.target.querySelector("#dialog-outcome");
      if (told) told.textContent = "Sending…";
      this.$emit("send", fields);
    },
    closed(event) {
      if (event.target.id === "dialog") this.$emit("gone", {});
    },
  },
};
