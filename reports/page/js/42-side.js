// Beside the timeline: the story in words, what it cost, and what was there to go wrong.

// The mark that a line of the story was told from: its text is there, or at least its object.
function tellerOf(model, told) {
  const { at, items } = model.all;
  const here = items.slice(Page.lower(at, told.at), Page.upper(at, told.at));
  return (
    here.find((item) => told.text.endsWith(item.text)) ??
    here.find(
      (item) => item.object !== null && told.text.includes(item.object.split("/").pop()) && item.kind !== "line",
    ) ??
    null
  );
}

function storyOf(model) {
  const { story } = model.record;
  const items = story.map((told) => {
    const again = told.times > 1 ? `${Page.number(told.times)} times, last at ${Page.span(told.last)}` : null;
    return Page.h(
      "li",
      {},
      Page.button(
        [
          Page.h("span", { class: "t" }, Page.spanParts(told.at)),
          Page.h("span", { class: "what" }, told.text, again ? Page.h("span", { class: "again" }, again) : null),
        ],
        () => {
          const item = tellerOf(model, told);
          Page.go({ at: told.at, object: item?.object ?? Page.state.object }, { pick: item });
          model.view?.reveal();
        },
        { class: "told" },
      ),
    );
  });
  const element = Page.h(
    "section",
    { class: "story", "aria-labelledby": "h-story" },
    Page.h("h2", { id: "h-story" }, "What happened"),
    items.length ? Page.h("ol", {}, items) : Page.h("p", { class: "none" }, "Nothing worth telling."),
  );
  return {
    element,
    select() {
      const { at } = Page.state;
      let current = -1;
      if (at !== null)
        story.forEach((told, n) => {
          if (told.at <= at) current = n;
        });
      items.forEach((item, n) => item.firstChild.setAttribute("aria-current", n === current ? "time" : "false"));
    },
  };
}

function numbers({ counts, limits }) {
  const breakdown = (name, all) => {
    const entries = Object.entries(all).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const total = Page.number(Page.sum(all));
    if (entries.length === 0)
      return Page.h("div", { class: "plain" }, Page.h("span", {}, name), Page.h("span", { class: "num" }, total));
    return Page.h(
      "details",
      {},
      Page.h("summary", {}, Page.h("span", {}, name), Page.h("span", { class: "num" }, total)),
      Page.h(
        "table",
        {},
        Page.h(
          "tbody",
          {},
          entries.map(([what, n]) =>
            Page.h("tr", {}, Page.h("th", { scope: "row" }, what), Page.h("td", { class: "num" }, Page.number(n))),
          ),
        ),
      ),
    );
  };
  const plain = (name, n) =>
    Page.h("div", { class: "plain" }, Page.h("span", {}, name), Page.h("span", { class: "num" }, Page.number(n)));
  return Page.h(
    "section",
    { class: "numbers", "aria-labelledby": "h-numbers" },
    Page.h("h2", { id: "h-numbers" }, "What it cost"),
    breakdown("CA requests", counts.caRequests),
    breakdown("API calls", counts.apiCalls),
    plain("Lost to the optimistic lock", counts.conflicts),
    plain("Certificates", counts.certificates),
    counts.failedAuthorizations === undefined ? null : plain("Failed authorizations", counts.failedAuthorizations),
    counts.limited === undefined ? null : plain("Refused by limits", counts.limited),
    plain("Starts of the engine", counts.engineStarts),
    limits.length
      ? [Page.h("h3", {}, "Limits of the CA"), Page.h("ul", { class: "limits" }, limits.map(Page.limit))]
      : null,
  );
}

Page.limit = (limit) => {
  const full = limit.used >= limit.most;
  const bar = Page.h(
    "span",
    { class: "bar", "aria-hidden": "true" },
    Page.h("span", { style: `width:${Math.min(100, (100 * limit.used) / Math.max(1, limit.most))}%` }),
  );
  return Page.h(
    "li",
    { class: full ? "full" : null },
    Page.h("span", { class: "limit-name" }, limit.name),
    Page.h(
      "span",
      { class: "limit-used" },
      full ? Page.shape("limit") : null,
      `${Page.number(limit.used)} of ${Page.number(limit.most)} in ${limit.window}`,
    ),
    bar,
    Page.h("span", { class: "limit-bucket" }, limit.bucket),
  );
};

function injected(model) {
  const all = model.record.injected;
  const when = ({ from, until }) => {
    if (from === null && until === null) return "all the time";
    if (from !== null && from === until) return `at ${Page.span(from)}`;
    return [from === null ? "" : `from ${Page.span(from)}`, until === null ? "" : `until ${Page.span(until)}`]
      .filter(Boolean)
      .join(" ");
  };
  return Page.h(
    "section",
    { class: "injected", "aria-labelledby": "h-injected" },
    Page.h("h2", { id: "h-injected" }, "What was there to go wrong"),
    all.length === 0
      ? Page.h("p", { class: "none" }, "Nothing was injected.")
      : Page.h(
          "ul",
          {},
          all.map((one) =>
            Page.h(
              "li",
              {},
              Page.shape("fault"),
              Page.h("span", { class: "where" }, one.where),
              Page.h("span", { class: "what", title: one.what }, Page.inWords(one.what)),
              one.from === null
                ? Page.h("span", { class: "when" }, when(one))
                : Page.button(
                    when(one),
                    () => {
                      Page.go({ at: one.from });
                      model.view?.reveal();
                    },
                    { class: "when link" },
                  ),
            ),
          ),
        ),
  );
}
