// What two runs cost, beside each other.

Page.costs = (left, right) => {
  const h = Page.h,
    [a, b] = [left.record, right.record];
  const rows = [];
  const add = (name, x, y, kind = "") => {
    if (x !== 0 || y !== 0 || kind === "all") rows.push([name, x, y, kind]);
  };
  const within = (x, y) => {
    const names = [...new Set([...Object.keys(x ?? {}), ...Object.keys(y ?? {})])];
    for (const name of names.sort(
      (p, q) => (y?.[q] ?? 0) + (x?.[q] ?? 0) - ((y?.[p] ?? 0) + (x?.[p] ?? 0)) || p.localeCompare(q),
    ))
      add(name, x?.[name] ?? 0, y?.[name] ?? 0, "part");
  };
  add("Certificates", a.counts.certificates, b.counts.certificates, "all");
  add("Log lines", a.log.length, b.log.length, "all");
  add(
    "of them errors",
    a.log.filter((l) => l.severity === "error").length,
    b.log.filter((l) => l.severity === "error").length,
    "part",
  );
  add("Writes to the API server", a.writes.length, b.writes.length, "all");
  add("Lost to the optimistic lock", a.counts.conflicts, b.counts.conflicts, "all");
  add("Failed authorizations", a.counts.failedAuthorizations ?? 0, b.counts.failedAuthorizations ?? 0);
  add("Refused by limits", a.counts.limited ?? 0, b.counts.limited ?? 0);
  add("Starts of the engine", a.counts.engineStarts, b.counts.engineStarts, "all");
  add("CA requests", left.run.requests, right.run.requests, "all");
  within(a.counts.caRequests, b.counts.caRequests);
  add("API calls", Page.sum(a.counts.apiCalls), Page.sum(b.counts.apiCalls), "all");
  within(a.counts.apiCalls, b.counts.apiCalls);
  const more = (x, y) => (x === y ? "" : y > x ? `+${Page.number(y - x)}` : `−${Page.number(x - y)}`);
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      [
        ["", ""],
        ["Left", "num"],
        ["Right", "num"],
        ["More, less", "num"],
      ].map(([name, c]) => h(name ? "th" : "td", { scope: name ? "col" : null, class: c }, name)),
    ),
  );
  const counts = h(
    "section",
    { "aria-labelledby": "h-counts" },
    h("h2", { id: "h-counts" }, "What they cost"),
    h(
      "table",
      { class: "costs" },
      head,
      h(
        "tbody",
        {},
        rows.map(([name, x, y, kind]) =>
          h(
            "tr",
            { class: [kind, x === y ? "" : "other"].join(" ") },
            h("th", { scope: "row" }, name),
            h("td", { class: "num" }, Page.number(x)),
            h("td", { class: "num" }, Page.number(y)),
            h("td", { class: "num delta" }, more(x, y)),
          ),
        ),
      ),
    ),
  );
  const limits = h(
    "section",
    { "aria-labelledby": "h-limits" },
    h("h2", { id: "h-limits" }, "Limits of the CA"),
    h(
      "div",
      { class: "limit-sides" },
      [
        ["Left", a],
        ["Right", b],
      ].map(([name, record]) =>
        h(
          "div",
          {},
          h("h3", {}, name),
          record.limits.length
            ? h("ul", { class: "limits" }, record.limits.map(Page.limit))
            : h("p", { class: "none" }, "None was touched."),
        ),
      ),
    ),
  );
  const outcomes = h(
    "section",
    { "aria-labelledby": "h-out" },
    h("h2", { id: "h-out" }, "How they came out"),
    h(
      "div",
      { class: "limit-sides" },
      [
        ["Left", a],
        ["Right", b],
      ].map(([name, { outcome }]) =>
        h(
          "div",
          {},
          h("h3", {}, name),
          outcome.kind === "stopped"
            ? h("pre", { class: "report" }, outcome.report)
            : outcome.kind === "passed"
              ? h("p", {}, "As expected.")
              : h(
                  "ul",
                  { class: "plain-list" },
                  (outcome.differences ?? []).map((one) =>
                    h(
                      "li",
                      {},
                      h("strong", {}, one.what),
                      `: ${one.actual ?? "nothing"}, not ${one.expected ?? "nothing"}`,
                    ),
                  ),
                ),
        ),
      ),
    ),
  );
  return h("div", { class: "compare-costs" }, counts, h("div", {}, limits, outcomes));
};
