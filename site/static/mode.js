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
