// Results lead to sections, which the index has as entries PAGE#SECTION.
const performTermsSearch = Search.performTermsSearch;
Search.performTermsSearch = (...terms) => {
  const found = performTermsSearch(...terms).map((result) => {
    const [page, section] = result[0].split("#");
    const anchor = section ? `#${section}` : "";
    return [page, result[1], anchor, ...result.slice(3)];
  });
  // A whole page only for its title, or if no section has all of the words.
  const inSections = new Set(found.filter((r) => r[2]).map((r) => r[0]));
  return found.filter(
    (r) => r[2] || r[4] >= Scorer.title || !inSections.has(r[0]),
  );
};

Documentation.TRANSLATIONS[
  "Search finished, found one page matching the search query."
] = ["One place has it.", "${resultCount} places have it."];

// From a file, no other page can be read for its text.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
