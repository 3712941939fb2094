// The other languages begin at the section that the reader is at: its anchor is
// the same there.
const atSection = () => {
  const begun = [...document.querySelectorAll("article section section[id]")]
    .filter((s) => s.getBoundingClientRect().top < innerHeight / 3);
  return begun.length ? `#${begun.at(-1).id}` : "";
};
for (const type of ["pointerdown", "focusin", "click"]) {
  document.addEventListener(type, ({ target }) => {
    const link = target.closest?.(".languages a");
    if (link) {
      link.hash = atSection();
      link.search = location.search; // what is searched for
    }
  });
}
