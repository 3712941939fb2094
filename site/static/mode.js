// Before the page is drawn: light or dark, as the reader last chose.
for (const key of ["mode", "theme"]) {
  let chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch {
    // Storage can be forbidden; then the system decides.
  }
  document.documentElement.dataset[key] = chosen || "auto";
}

// Paper is white.
let shown;
addEventListener("beforeprint", () => {
  shown ??= document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = shown;
  shown = undefined;
});
