// On a phone the lists at the sides are dialogs: a choice closes them.
document.addEventListener("click", (event) => {
  if (event.target.closest("dialog a[href]")) {
    event.target.closest("dialog").close();
  }
});
