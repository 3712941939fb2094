// Before the page is drawn: light or dark, as the reader last chose.
// Storage can be forbidden, as in the frame of a course platform. The system
// decides then, and a choice is kept as long as the page is.
try {
  localStorage.getItem("mode");
} catch {
  const kept = new Map();
  Object.defineProperty(window, "localStorage", {
    value: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, String(value)),
      removeItem: (key) => kept.delete(key),
    },
  });
}
for (const key of ["mode", "theme"]) {
  const chosen = localStorage.getItem(key);
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
