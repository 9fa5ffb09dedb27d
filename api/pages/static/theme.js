// Before anything is painted: dark or light, as the system has it unless the reader has chosen.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const chosen = localStorage.getItem("drs-waves-theme");
    document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
  };
  window.drsWavesTheme = (wanted) => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("drs-waves-theme", wanted === "other" ? next : wanted);
    show();
  };
  dark.addEventListener("change", show);
  show();
})();
