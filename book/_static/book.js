// Opened from disk, a page may not read its neighbours: the search then shows titles without extracts instead of errors.
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, properties, parent) => {
  const node = Object.assign(document.createElement(tag), properties);
  parent?.append(node);
  return node;
};

// One player sounds at a time.
document.addEventListener("play", ({ target }) => {
  all("audio").forEach((other) => other !== target && other.pause());
  if (target.closest("[data-over]")) follow(target);
}, true);

// A line runs over the figure that belongs to a player, see `page.player`.
function follow(audio) {
  const { figure, over } = audio.closest("[data-over]").dataset, image = document.querySelector(`#${figure} img`);
  if (!image) return;
  const frame = image.parentElement;
  frame.classList.add("has-playhead");
  const lines = over.split(";").map((numbers) => [make("span", { className: "playhead" }, frame), ...numbers.trim().split(" ").map(Number)]);
  const step = () => {
    const shown = image.getBoundingClientRect(), around = frame.getBoundingClientRect();
    lines.forEach(([line, left, right, top, bottom, start, end]) => {
      const share = (audio.currentTime - start) / (end - start);
      line.hidden = share < 0 || share > 1;
      line.style.left = `${shown.left - around.left + shown.width * (left + share * (right - left))}px`;
      line.style.top = `${shown.top - around.top + shown.height * top}px`;
      line.style.height = `${shown.height * (bottom - top)}px`;
      if (audio.paused) line.remove();
    });
    if (!audio.paused) requestAnimationFrame(step);
  };
  step();
}

// Sounds that are alike moment by moment: from one to the next at the same place.
function compare(row) {
  const sounds = all("audio", row);
  const button = make("button", { type: "button", className: "book-button", textContent: "Switch while it plays" }, row);
  const said = make("span", { className: "compare-now" }, row);
  said.setAttribute("aria-live", "polite");
  let now = 0;
  sounds.forEach((sound, i) => sound.addEventListener("play", () => {
    now = i;
    said.textContent = `You hear: ${sound.getAttribute("aria-label")}`;
  }));
  button.addEventListener("click", () => {
    const from = sounds[now], to = sounds[from.paused && !from.currentTime ? now : (now + 1) % sounds.length];
    to.currentTime = from.ended ? 0 : from.currentTime;
    to.play();
  });
}

// Which of these is it? Buttons take the place of the folded answer; guesses are counted beside the machine's.
function ask(box) {
  const done = { you: 0, machine: 0, of: 0 }, count = box.querySelector(".guess-count");
  count.setAttribute("aria-live", "polite");
  all(".guess-one", box).forEach((one) => {
    const { answer, machine } = one.dataset, fold = one.querySelector("details");
    const buttons = make("div", { className: "guess-choices" });
    fold.before(buttons);
    fold.hidden = true;
    box.dataset.choices.split("|").forEach((choice) => make("button", { type: "button", className: "book-button", textContent: choice }, buttons)
      .addEventListener("click", ({ target }) => {
        target.classList.add(choice === answer ? "right" : "wrong");
        all("button", buttons).forEach((button) => {
          button.disabled = true;
          if (button.textContent === answer) button.classList.add("right");
        });
        const said = fold.querySelector("p");
        said.prepend(choice === answer ? "Yes. " : `Not ${choice}. `);
        fold.replaceWith(said);
        done.of += 1;
        done.you += choice === answer;
        done.machine += machine === answer;
        count.textContent = `Right of ${done.of}: you ${done.you}, the network ${done.machine}.`;
      }));
  });
}

// The cards of the claims page, by verdict; without this they are all there.
function filter(cards) {
  const word = (card) => card.querySelector(".claim-verdict").textContent.trim();
  const bar = make("div", { className: "claim-filter" });
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Show the claims whose verdict is");
  cards[0].closest("section").before(bar);
  const buttons = ["All", "Holds", "Holds in part", "Does not hold", "Open"].map((verdict) => {
    const chosen = cards.filter((card) => verdict === "All" || word(card) === verdict);
    const button = make("button", { type: "button", className: "book-button", textContent: `${verdict} (${chosen.length})` }, bar);
    button.addEventListener("click", () => {
      buttons.forEach((one) => one.setAttribute("aria-pressed", one === button));
      cards.forEach((card) => { card.hidden = !chosen.includes(card); });
      new Set(cards.map((card) => card.closest("section"))).forEach((section) => { section.hidden = !section.querySelector(".claim:not([hidden])"); });
    });
    button.setAttribute("aria-pressed", verdict === "All");
    return button;
  });
  // Who follows a link to a card that is hidden sees all of them.
  window.addEventListener("hashchange", () => buttons[0].click());
}

// Words of the glossary and sources say what they are where they stand: the title of their links becomes a card that
// keys reach and Escape closes.
function explain(links) {
  const card = make("div", { id: "card", className: "hover-card", hidden: true }, document.body);
  card.setAttribute("role", "tooltip");
  let link, timer;
  const hide = () => {
    clearTimeout(timer);
    card.hidden = true;
    link?.removeAttribute("aria-describedby");
  };
  const show = (target) => {
    hide();
    link = target;
    card.textContent = link.dataset.card;
    link.setAttribute("aria-describedby", "card");
    card.hidden = false;
    const at = link.getClientRects()[0], width = document.documentElement.clientWidth;
    card.style.left = `${scrollX + Math.max(8, Math.min(at.left, width - card.offsetWidth - 8))}px`;
    const above = at.bottom + card.offsetHeight > innerHeight && at.top > card.offsetHeight;
    card.style.top = `${scrollY + (above ? at.top - card.offsetHeight : at.bottom)}px`;
  };
  const later = (action, ms) => { clearTimeout(timer); timer = setTimeout(action, ms); };
  links.forEach((one) => {
    one.dataset.card = one.title;
    one.removeAttribute("title");
    one.addEventListener("mouseenter", () => later(() => show(one), 250));
    one.addEventListener("mouseleave", () => later(hide, 250));
    one.addEventListener("focus", () => show(one));
    one.addEventListener("blur", hide);
  });
  card.addEventListener("mouseenter", () => clearTimeout(timer));
  card.addEventListener("mouseleave", () => later(hide, 250));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
}

window.addEventListener("load", () => {
  all(".compare").forEach(compare);
  all(".guess").forEach(ask);
  const cards = all("article .claim"), links = all("article a.reference[title]");
  if (cards.length) filter(cards);
  if (links.length) explain(links);
  // Buttons say what they do to those who do not see them, and what scrolls can be reached by a key.
  all("button.copybtn").forEach((button) => button.setAttribute("aria-label", "Copy the code"));
  all("button.toggle-button").forEach((button) => {
    const title = button.closest(".admonition-title");
    if (title) button.setAttribute("aria-label", `Show or hide ${title.textContent.trim()}`);
  });
  all(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
  all("article pre, article figure, article .cell_output").forEach((box) => {
    if (box.scrollWidth > box.clientWidth && ["auto", "scroll"].includes(getComputedStyle(box).overflowX)) box.tabIndex = 0;
  });
});
