// One switch opens all outputs that wait for a prediction, and closes them.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.unfold");
  if (!button) {
    return;
  }
  const open = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", open);
  for (const folded of document.querySelectorAll("details.prediction")) {
    folded.open = open;
  }
});
