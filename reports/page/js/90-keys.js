// Keys that work everywhere, what they are, and the switch for the dark.

const KEYS = [
  [
    "Everywhere",
    [
      ["?", "this list"],
      ["/", "search (in the log, or in the list of runs)"],
      ["Esc", "close what is open; deselect"],
      [", .", "the happening before, after"],
    ],
  ],
  [
    "Timeline",
    [
      ["+ −", "closer, farther"],
      ["← →", "to the side; on a lane: from mark to mark"],
      ["↑ ↓", "from lane to lane"],
      ["Home End", "first and last mark of a lane"],
      ["Enter", "open the mark"],
      ["[ ]", "on to the marks before, after what is shown"],
      ["f", "fit the whole run"],
      ["s", "squeeze silence, or to scale"],
    ],
  ],
  [
    "Log",
    [
      ["↑ ↓", "from line to line"],
      ["Enter", "select the line, and open its object"],
    ],
  ],
  ["Object", [["p n", "its write before, after"]]],
];

Page.openKeys = () => {
  const dialog = Page.byId("keys");
  dialog.replaceChildren(
    Page.h(
      "form",
      { method: "dialog" },
      Page.h("h2", { id: "keys-title" }, "Keys"),
      Page.h("button", { "aria-label": "Close" }, "Close"),
    ),
    Page.h(
      "div",
      { class: "keys" },
      KEYS.map(([name, keys]) =>
        Page.h(
          "section",
          {},
          Page.h("h3", {}, name),
          Page.h(
            "dl",
            {},
            keys.map(([key, what]) => [
              Page.h(
                "dt",
                {},
                key.split(" ").map((k) => Page.h("kbd", {}, k)),
              ),
              Page.h("dd", {}, what),
            ]),
          ),
        ),
      ),
    ),
    Page.h("h3", {}, "Shapes"),
    Page.legend(),
  );
  dialog.showModal();
};

Page.legend = () =>
  Page.h(
    "ul",
    { class: "legend" },
    Object.entries(Page.SHAPES).map(([kind, [, , what]]) =>
      Page.h("li", {}, Page.shape(kind, kind === "trouble" ? "bad" : ""), what),
    ),
  );

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || Page.byId("keys").open) return;
  const typing = event.target.closest?.("input:not([type=range]):not([type=checkbox]), select, textarea");
  if (event.key === "Escape") {
    if (Page.view?.escape?.()) event.preventDefault();
    else if (typing) typing.blur();
    return;
  }
  if (typing) return;
  const act =
    event.key === "?" ? Page.openKeys : event.key === "/" ? Page.view?.focusSearch : Page.view?.keys?.[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

const THEMES = ["auto", "light", "dark"];
const remember = (theme) => {
  try {
    localStorage.setItem("rehearse-theme", theme);
  } catch {
    /* A file may have no storage. */
  }
};
const remembered = () => {
  try {
    return localStorage.getItem("rehearse-theme");
  } catch {
    return null;
  }
};

Page.setTheme = (theme) => {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  Page.byId("theme").textContent = `Colours: ${theme}`;
  Page.byId("theme").setAttribute(
    "aria-label",
    `Colours: ${{ auto: "as the system", light: "light", dark: "dark" }[theme]}`,
  );
  Page.theme = theme;
  Page.view?.recolour?.();
};

// Paper is white. What is painted has to be painted again for it.
const forPaper = (theme) => {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const timeline = Page.view?.timeline;
  if (timeline) {
    timeline.colours = null;
    timeline.paint();
  }
};

Page.startKeys = () => {
  const first = remembered();
  Page.setTheme(THEMES.includes(first) ? first : "auto");
  Page.byId("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(Page.theme) + 1) % THEMES.length];
    Page.setTheme(next);
    remember(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Page.view?.recolour?.());
  addEventListener("beforeprint", () => forPaper("light"));
  addEventListener("afterprint", () => forPaper(Page.theme));
  Page.byId("help").addEventListener("click", Page.openKeys);
  // The address says where one is; a link within the page must not change it.
  Page.byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    Page.byId("main").focus();
  });
  Page.byId("home").addEventListener("click", (event) => {
    event.preventDefault();
    if (location.hash !== "") history.pushState(null, "", "#");
    Page.apply();
  });
};
