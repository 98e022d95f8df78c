// A run: what it is, how it came out, and beneath that the bench with timeline, log and object.

Page.run = (model) => {
  const { run, record } = model;
  const timeline = Page.timeline(model),
    log = Page.log(model),
    object = Page.object(model),
    story = storyOf(model);
  const parts = [timeline, log, object, story];
  const element = Page.h(
    "article",
    { class: "run", style: `--tw:${model.timeWidth}ch` },
    head(run, record),
    Page.h(
      "div",
      { class: "bench" },
      Page.h("div", { class: "side" }, story.element, numbers(record), injected(model)),
      Page.h(
        "div",
        { class: "work" },
        timeline.element,
        Page.h("div", { class: "split" }, log.element, object.element),
      ),
    ),
  );
  const step = (by) => {
    const { at: times, items } = model.all;
    if (times.length === 0) return;
    const { at } = Page.state;
    // Several happenings at one moment are gone through one by one, as long as it is known which was the last.
    const current = Page.pick ? items.indexOf(Page.pick, Page.lower(times, Page.pick.at)) : -1;
    const n =
      current >= 0 ? current + by : at === null ? 0 : by > 0 ? Page.upper(times, at) : Page.lower(times, at) - 1;
    if (items[n]) Page.select(items[n], { replace: true });
  };
  return {
    title: run.label,
    element,
    timeline,
    log,
    crumbs: Page.crumbs(run),
    enter() {
      for (const part of parts) part.enter?.();
    },
    leave() {
      for (const part of parts) part.leave?.();
    },
    select() {
      for (const part of parts) part.select?.();
      Page.showSelection(model, step);
    },
    recolour() {
      timeline.recolour();
    },
    focusSearch: () => log.focusSearch(),
    escape() {
      if (timeline.escape()) return true;
      if (Page.state.at === null && Page.state.object === null) return false;
      Page.go({ at: null, object: null });
      return true;
    },
    keys: { ",": () => step(-1), ".": () => step(1), ...timeline.keys, ...object.keys },
  };
};

Page.crumbs = (run, ...more) => [
  Page.h("a", { href: "#" }, "Runs"),
  Page.h("a", { href: Page.link({ run: run.id }), "aria-current": more.length ? null : "page" }, run.label),
  ...more,
];

function head(run, record) {
  const facts = [
    ["Shows", run.failures.join(", ")],
    ["From", run.source],
    ["Release", `cert-manager ${run.release.replace(/^v(\d+)_(\d+)$/, "$1.$2")}`],
    ["Starts", `${run.start.slice(0, 10)} ${run.start.slice(11, 19)} UTC`],
    ["Lasts", Page.span(run.virtualNanos)],
    ["Seed", String(run.seed)],
    ["Changed", run.overrides.join("\n")],
    ["Fingerprint", run.fingerprint.slice(0, 16)],
  ].filter(([, value]) => value !== "");
  return Page.h(
    "header",
    { class: "run-head" },
    Page.h(
      "div",
      { class: "run-what" },
      Page.h(
        "p",
        { class: "run-name" },
        Page.h("span", { class: "mono" }, run.scenario),
        run.without === null ? null : Page.h("span", { class: "without" }, `without ${run.without}`),
        Page.outcome(run),
      ),
      Page.h("h1", {}, run.title),
      Page.h("p", { class: "cause" }, run.cause),
      others(run),
      outcome(record),
    ),
    Page.h(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) =>
        Page.h(
          "div",
          {},
          Page.h("dt", {}, name),
          Page.h(
            "dd",
            {
              class: /Changed|Fingerprint/.test(name) ? "mono" : null,
              title: name === "Fingerprint" ? `${run.fingerprint}: equal runs have equal ones` : null,
            },
            value,
          ),
        ),
      ),
    ),
  );
}

// What this run can be held against: its own relatives at once, any other from the list.
function others(run) {
  const relatives = Page.relatives(run);
  const rest = Page.index.runs.filter((other) => other !== run && other.scenario !== run.scenario);
  const links = relatives.map((other) =>
    Page.h(
      "a",
      { class: "btn", href: Page.link({ run: run.id, with: other.id }) },
      Page.h("span", { class: "pair", "aria-hidden": "true" }),
      other.without === null
        ? other.overrides.length
          ? other.overrides.join(" ")
          : "the scenario as it is"
        : `without ${other.without}`,
    ),
  );
  const select =
    rest.length === 0
      ? null
      : Page.h(
          "select",
          {
            class: "with",
            "aria-label": "Any other run beside this one",
            onchange: (event) => {
              if (event.target.value) Page.go({ with: event.target.value, at: null, object: null });
            },
          },
          Page.option("", relatives.length ? "another run …" : "choose a run …", true),
          rest.map((other) => Page.option(other.id, other.label)),
        );
  return links.length || select
    ? Page.h("p", { class: "others" }, Page.h("span", {}, "Side by side with"), links, select)
    : null;
}

function outcome({ outcome: { kind, differences, report } }) {
  if (kind === "stopped")
    return Page.h(
      "section",
      { class: "outcome-more", "aria-label": "Why it was stopped" },
      Page.h("h2", {}, "Why it was stopped"),
      Page.h("pre", { class: "report", tabindex: "0" }, report),
    );
  if (kind !== "differs" || !differences?.length) return null;
  const value = (text) => (text === null ? Page.h("span", { class: "none" }, "nothing") : text);
  return Page.h(
    "section",
    { class: "outcome-more", "aria-label": "Differences" },
    Page.h(
      "table",
      { class: "differences" },
      Page.h(
        "thead",
        {},
        Page.h(
          "tr",
          {},
          ["What differs", "Expected", "Came out"].map((name) => Page.h("th", { scope: "col" }, name)),
        ),
      ),
      Page.h(
        "tbody",
        {},
        differences.map((one) =>
          Page.h(
            "tr",
            {},
            Page.h("th", { scope: "row" }, one.what),
            Page.h("td", {}, value(one.expected)),
            Page.h("td", {}, value(one.actual)),
          ),
        ),
      ),
    ),
  );
}
