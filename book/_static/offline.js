// Opened from disk, a page may not read its neighbours: the search then shows titles without extracts instead of errors.
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
