// Runs before the first paint: the user's choice of dark or light, else the system's.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const choice = localStorage.getItem("drs-waves-theme");
    document.documentElement.dataset.theme = choice ?? (dark.matches ? "dark" : "light");
  };
  window.drsWavesTheme = (wanted) => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("drs-waves-theme", wanted === "other" ? next : wanted);
    show();
  };
  dark.addEventListener("change", show);
  show();
})();
