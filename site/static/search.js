// Results lead to sections, which the index has as entries PAGE#SECTION.
const { performTermsSearch } = Search;
const HAN = /^[\u3400-\u9fff]$/;

// What is highlighted are the words of the reader, and not the pairs of letters
// that they are looked up by.
const { _parseQuery } = Search;
Search._parseQuery = (query) => {
  const parsed = _parseQuery(query);
  const others = [...parsed[3]].filter((word) => !HAN.test(word[0]));
  parsed[3] = new Set([...others, ...(query.match(/[\u3400-\u9fff]+/g) ?? [])]);
  if (SPHINX_HIGHLIGHT_ENABLED) {
    localStorage.setItem("sphinx_highlight_terms", [...parsed[3]].join(" "));
  }
  return parsed;
};

// A letter of Chinese, which the index has in pairs (languages.py).
const withLetter = (letter) =>
  Object.keys({ ...Search._index.terms, ...Search._index.titleterms })
    .filter((term) => term.includes(letter));

// What has a word: for each place, the result with the highest score.
const having = (word, excluded) => {
  const found = new Map();
  for (const term of HAN.test(word) ? withLetter(word) : [word]) {
    for (const result of performTermsSearch(new Set([term]), excluded)) {
      const best = found.get(result[0]);
      if (!best || best[4] < result[4]) found.set(result[0], result);
    }
  }
  return found;
};

// What has all of the words, with the mean of their scores; of places with
// equal scores, the one that the book has first. Sphinx itself asks for some
// of the words only, if others have two letters.
Search.performTermsSearch = (words, excluded) => {
  const places = [...words].map((word) => having(word, excluded));
  if (!places.length) return [];
  const inAll = [...places[0].keys()]
    .filter((place) => places.every((found) => found.has(place)))
    .sort();
  const results = inAll.map((place, i) => {
    const [page, section] = place.split("#");
    const sum = places.reduce((n, found) => n + found.get(place)[4], 0);
    const result = [...places[0].get(place)];
    result[0] = page;
    result[2] = section ? `#${section}` : "";
    result[4] = sum / words.size - i / 1e6;
    return result;
  });
  // A whole page only for its title, or if no section has all of the words.
  const inSections = new Set(results.filter((r) => r[2]).map((r) => r[0]));
  return results.filter(
    (r) => r[2] || r[4] >= Scorer.title - 1 || !inSections.has(r[0]),
  );
};

_ready(() => {
  const { one, many } = document.querySelector("#search-results").dataset;
  Documentation.TRANSLATIONS[
    "Search finished, found one page matching the search query."
  ] = [one, many];
});

// From a file, no other page can be read for its text.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
