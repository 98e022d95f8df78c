// The list of runs: ablations stand beneath their scenario and go where it goes.

const COLUMNS = [
  { key: "scenario", label: "Run", text: true, of: (run) => run.scenario },
  { key: "title", label: "What happens", text: true, of: (run) => run.title },
  { key: "failures", label: "Shows", text: true, of: (run) => run.failures.join(" ") },
  { key: "release", label: "Release", text: true, of: (run) => run.release.replace(/\d+/g, (n) => n.padStart(3, "0")) },
  { key: "outcome", label: "Outcome", text: true, of: (run) => `${Page.verdict(run).good ? 1 : 0}${run.outcome.kind}` },
  { key: "time", label: "Lasts", of: (run) => run.virtualNanos },
  { key: "requests", label: "CA requests", of: (run) => run.requests },
  { key: "writes", label: "API writes", of: (run) => run.written },
  { key: "conflicts", label: "Conflicts", of: (run) => run.counts.conflicts },
  { key: "certificates", label: "Certificates", of: (run) => run.counts.certificates },
];

// What the list was like when it was left: it is so again when one comes back.
const left = { text: "", outcome: "", sort: "scenario", down: false };

const OUTCOMES = [
  ["", "all outcomes", () => true],
  ["wrong", "not as they must be", (run) => !Page.verdict(run).good],
  ["passed", "passed", (run) => run.outcome.kind === "passed"],
  ["differs", "differs", (run) => run.outcome.kind === "differs"],
  ["stopped", "stopped", (run) => run.outcome.kind === "stopped"],
];

const words = (run) =>
  [run.label, run.title, run.cause, run.source, run.failures.join(" "), run.release, run.overrides.join(" ")]
    .join("\n")
    .toLowerCase();

Page.list = (missing) => {
  const runs = Page.index.runs;
  const wrong = runs.filter((run) => !Page.verdict(run).good).length;
  const bodies = Page.h("div", { class: "table-wrap" });
  const count = Page.h("p", { class: "count", role: "status" });

  const filter = Page.h("input", {
    type: "search",
    id: "filter",
    placeholder: "Name, title, cause, F-number",
    autocomplete: "off",
    spellcheck: "false",
    value: left.text,
  });
  const outcome = Page.h(
    "select",
    { id: "outcome" },
    OUTCOMES.map(([value, label, fits]) => {
      const n = runs.filter(fits).length;
      return value !== "" && n === 0 ? null : Page.option(value, `${label} (${n})`, value === left.outcome);
    }),
  );

  const draw = () => {
    left.text = filter.value;
    left.outcome = outcome.value;
    const asked = left.text.toLowerCase().split(/\s+/).filter(Boolean);
    const fitsOutcome = OUTCOMES.find(([value]) => value === left.outcome)?.[2] ?? OUTCOMES[0][2];
    const fits = (run) => fitsOutcome(run) && asked.every((word) => run.words.includes(word));
    for (const run of runs) run.words ??= words(run);
    const column = COLUMNS.find((c) => c.key === left.sort);
    const compare = (a, b) => {
      const [x, y] = [column.of(a[0]), column.of(b[0])];
      const by = column.text ? String(x).localeCompare(String(y)) : x - y;
      return (left.down ? -by : by) || a[0].n - b[0].n;
    };
    const families = Page.families()
      .map((family) => ({ family, shown: family.filter(fits) }))
      .filter((f) => f.shown.length > 0)
      .sort((a, b) => compare(a.family, b.family));
    const shown = families.reduce((n, f) => n + f.shown.length, 0);
    count.textContent =
      shown === runs.length
        ? Page.many(runs.length, "run")
        : `${Page.number(shown)} of ${Page.many(runs.length, "run")}`;
    bodies.replaceChildren(table(families));
  };
  const table = (families) =>
    Page.h(
      "table",
      { class: "runs" },
      Page.h(
        "thead",
        {},
        Page.h(
          "tr",
          {},
          COLUMNS.map((column) =>
            Page.h(
              "th",
              {
                scope: "col",
                class: column.text ? `c-${column.key}` : "num",
                "aria-sort": left.sort === column.key ? (left.down ? "descending" : "ascending") : null,
              },
              Page.button(
                column.label,
                () => {
                  left.down = left.sort === column.key ? !left.down : !column.text;
                  left.sort = column.key;
                  sort.value = left.sort;
                  draw();
                  bodies.querySelector(`button[data-key="${column.key}"]`)?.focus();
                },
                { "data-key": column.key },
              ),
            ),
          ),
        ),
      ),
      families.map(({ family, shown }) =>
        Page.h(
          "tbody",
          {},
          shown.map((run) => row(run, family)),
        ),
      ),
    );
  // A narrow window has no head of the table to sort by.
  const sorts = COLUMNS.map((column) =>
    Page.option(
      column.key,
      `by ${column.label.replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase())}`,
      column.key === left.sort,
    ),
  );
  const sort = Page.h("select", { class: "sort", "aria-label": "Sort" }, sorts);
  sort.addEventListener("change", () => {
    left.sort = sort.value;
    left.down = !COLUMNS.find((c) => c.key === left.sort).text;
    draw();
  });
  filter.addEventListener("input", draw);
  outcome.addEventListener("change", draw);
  draw();

  const element = Page.h(
    "div",
    { class: "list" },
    missing ? Page.h("p", { class: "notice", role: "alert" }, `There is no run “${missing}” in this report.`) : null,
    Page.h(
      "div",
      { class: "list-head" },
      Page.h("h1", {}, "Runs"),
      Page.h(
        "p",
        { class: "lead" },
        wrong === 0
          ? "All came out as they must."
          : `${Page.many(wrong, "run")} did not come out as ${wrong === 1 ? "it" : "they"} must.`,
      ),
      Page.h(
        "form",
        { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        Page.h("label", { class: "unseen", for: "filter" }, "Filter by text"),
        filter,
        Page.h("label", { class: "unseen", for: "outcome" }, "Filter by outcome"),
        outcome,
        sort,
        count,
      ),
    ),
    bodies,
  );
  return { title: "Rehearse", crumbs: [], element, focusSearch: () => filter.focus() };
};

// A seed says something only where a scenario was run with several; how an ablation is made is told on its page.
function knobs(run, family) {
  if (run.without !== null) return null;
  const several = family.some((other) => other.seed !== run.seed);
  const all = [...(several ? [`seed ${run.seed}`] : []), ...run.overrides];
  return all.length ? Page.h("span", { class: "knobs" }, all.join("  ")) : null;
}

function row(run, family) {
  const ablation = run.without !== null,
    base = family[0];
  const cells = {
    scenario: [
      Page.h(
        "a",
        { href: Page.link({ run: run.id }), class: "name" },
        ablation ? `without ${run.without}` : run.scenario,
      ),
      ablation && base.without === null
        ? Page.h(
            "a",
            {
              href: Page.link({ run: base.id, with: run.id }),
              class: "beside",
              "aria-label": `${base.scenario} beside the run without ${run.without}`,
            },
            "side by side",
          )
        : null,
      knobs(run, family),
    ],
    title: [ablation ? "" : run.title],
    failures: [ablation ? "" : run.failures.join(" ")],
    release: [ablation && base.release === run.release ? "" : run.release.replace("_", ".")],
    outcome: [Page.outcome(run)],
    time: [Page.span(run.virtualNanos)],
    requests: [Page.number(run.requests)],
    writes: [Page.number(run.written)],
    conflicts: [Page.number(run.counts.conflicts)],
    certificates: [Page.number(run.counts.certificates)],
  };
  // What was taken away is a sentence rather than a name: it has the room of the title, too.
  const columns = ablation ? COLUMNS.filter((column) => column.key !== "title") : COLUMNS;
  return Page.h(
    "tr",
    { class: ablation ? "ablation" : "scenario" },
    columns.map((column) => {
      const tag = column.key === "scenario" ? "th" : "td";
      return Page.h(
        tag,
        {
          colspan: ablation && tag === "th" ? "2" : null,
          scope: tag === "th" ? "row" : null,
          class: column.text ? `c-${column.key}` : "num",
          "data-label": column.label,
        },
        cells[column.key],
      );
    }),
  );
}
