// Opened from disk, a page may not read its neighbours: the search then shows titles without extracts instead of errors.
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Buttons say what they do to those who do not see them, and what scrolls can be reached by a key.
window.addEventListener("load", () => {
  document.querySelectorAll("button.copybtn").forEach((button) => button.setAttribute("aria-label", "Copy the code"));
  document.querySelectorAll("button.toggle-button").forEach((button) => {
    const title = button.closest(".admonition-title");
    if (title) button.setAttribute("aria-label", `Show or hide ${title.textContent.trim()}`);
  });
  document.querySelectorAll(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
  document.querySelectorAll("article pre, article figure, article .cell_output").forEach((box) => {
    if (box.scrollWidth > box.clientWidth && ["auto", "scroll"].includes(getComputedStyle(box).overflowX)) box.tabIndex = 0;
  });
});
