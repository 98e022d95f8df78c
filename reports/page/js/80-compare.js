// Two runs side by side: the first difference, both logs aligned, and what they cost.

// What may differ between runs that do the same. Each can be switched off.
const BLIND = [
  {
    key: "times",
    label: "time stamps",
    apply: (text) =>
      text
        .replace(/^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ /, "$1 ")
        .replace(
          /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?Z| ?[+-]\d\d:?\d\d( UTC)?| UTC)?( m=[+-][\d.]+)?/g,
          "TIME",
        ),
  },
  {
    key: "uids",
    label: "uids",
    apply: (text) => text.replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "UID"),
  },
  { key: "ports", label: "ports", apply: (text) => text.replace(/((?:\d{1,3}\.){3}\d{1,3}|\]):\d{4,5}\b/g, "$1:PORT") },
  {
    key: "names",
    label: "generated parts of names",
    apply: (text) =>
      text.replace(/-[bcdfghjklmnpqrstvwxz2456789]{5}(?=$|[^\w-])/g, "-XXXXX").replace(/-\d{6,10}\b/g, "-HASH"),
  },
];
const blind = new Set(BLIND.map((one) => one.key));

const compared = (line) => {
  let text = line.text;
  for (const one of BLIND) if (blind.has(one.key)) text = one.apply(text);
  return `${line.source}\u0000${text}`;
};

Page.compare = (left, right) => {
  const h = Page.h,
    a = left.record.log,
    b = right.record.log;
  const first = h("section", { class: "first", "aria-labelledby": "h-first" });
  const status = h("p", { class: "count", role: "status" });
  const alike = left.run.scenario === right.run.scenario;
  let pairs = [],
    only = false,
    shown = [];
  const narrow = Page.narrow();

  const side = (line, which, other) => [
    h("span", { class: "sign" }, other ? " " : which === "a" ? "−" : "+"),
    h("span", { class: "t" }, Page.span(line.nanos)),
    Page.severity(line),
    h(
      "span",
      { class: "txt", title: line.text },
      Page.h("span", { class: "src" }, line.source),
      Page.takeApart(line.text).message,
      h("span", { class: "rest" }, " ", Page.gist(Page.takeApart(line.text).rest)),
    ),
  ];
  const rows = Page.rows({
    label: "Both logs, aligned",
    height: narrow ? 38 : 22,
    render(n, row) {
      const [m, k] = pairs[shown[n]];
      row.classList.add("pair-row", m < 0 ? "right-only" : k < 0 ? "left-only" : "both");
      const cell = (line, which, other) =>
        h("span", { class: "half" }, line ? side(line, which, other) : h("span", { class: "gap" }));
      if (narrow) return [cell(m >= 0 ? a[m] : b[k], m >= 0 ? "a" : "b", m >= 0 && k >= 0)];
      return [cell(a[m], "a", k >= 0), cell(b[k], "b", m >= 0)];
    },
    enter(n) {
      const [m, k] = pairs[shown[n]];
      const [model, line] = m >= 0 ? [left, a[m]] : [right, b[k]];
      Page.go({ run: model.run.id, with: null, at: line.nanos, object: line.object });
    },
  });
  const onlyBox = h("input", {
    type: "checkbox",
    id: "only",
    onchange: () => {
      only = onlyBox.checked;
      filter();
    },
  });
  const filter = () => {
    shown = pairs.map((_, n) => n).filter((n) => !only || pairs[n][0] < 0 || pairs[n][1] < 0);
    rows.set(shown.length);
  };
  const work = () => {
    const numbers = new Map();
    // Equal lines get equal numbers: those are compared faster than text.
    const number = (line) => {
      const text = compared(line);
      if (!numbers.has(text)) numbers.set(text, numbers.size);
      return numbers.get(text);
    };
    pairs = Page.align(a.map(number), b.map(number));
    const equal = pairs.filter(([m, k]) => m >= 0 && k >= 0).length;
    status.textContent = `${Page.number(equal)} equal, ${Page.number(a.length - equal)} only left, ${Page.number(b.length - equal)} only right`;
    tellFirst();
    filter();
  };
  const until = (x, y) => (x === y ? Page.span(x) : `${Page.span(x)} on the left and ${Page.span(y)} on the right`);
  const tellFirst = () => {
    const n = pairs.findIndex(([m, k]) => m < 0 || k < 0);
    const title = h("h2", { id: "h-first" }, "The first difference");
    if (n < 0) {
      const same = left.run.fingerprint === right.run.fingerprint;
      first.replaceChildren(
        title,
        h(
          "p",
          {},
          same
            ? "There is none: the runs have the same fingerprint, which is over all that crossed a boundary."
            : `The logs have none: all ${Page.many(a.length, "line")} are equal, as far as they are compared. The fingerprints differ, so something else does.`,
        ),
      );
      return;
    }
    // One line of each from there on: what stands in the place of what.
    const [x, y] = [pairs.slice(n).find(([m]) => m >= 0)?.[0] ?? -1, pairs.slice(n).find(([, k]) => k >= 0)?.[1] ?? -1];
    const told = (model, line, name) =>
      h(
        "div",
        { class: "first-side" },
        h("h3", {}, name),
        line
          ? [
              h(
                "p",
                { class: "first-time" },
                Page.button(
                  Page.span(line.nanos),
                  () => Page.go({ run: model.run.id, with: null, at: line.nanos, object: line.object }),
                  { class: "link", title: "Open this run at this time" },
                ),
                h("span", {}, line.source),
                Page.severity(line),
              ),
              h("pre", {}, Page.takeApart(line.text).body),
            ]
          : h("p", { class: "none" }, "its log has ended"),
      );
    const agreed =
      n === 0
        ? "From the first line on they differ."
        : `The first ${n === 1 ? "line is" : `${Page.number(n)} lines are`} equal, up to ${until(a[pairs[n - 1][0]].nanos, b[pairs[n - 1][1]].nanos)}.`;
    first.replaceChildren(
      title,
      h("p", {}, `${agreed} Then:`),
      h("div", { class: "first-both" }, told(left, a[x], left.run.label), told(right, b[y], right.run.label)),
    );
  };

  const what = h(
    "fieldset",
    { class: "compared" },
    h("legend", {}, "Lines are compared by their source and text, in order. Left out of the comparison:"),
    BLIND.map((one) => {
      const box = h("input", {
        type: "checkbox",
        id: `blind-${one.key}`,
        onchange: () => {
          if (box.checked) blind.add(one.key);
          else blind.delete(one.key);
          work();
        },
      });
      box.checked = blind.has(one.key);
      return h("label", {}, box, ` ${one.label}`);
    }),
  );
  const element = h(
    "article",
    { class: "compare", style: `--tw:${Math.max(left.timeWidth, right.timeWidth)}ch` },
    h("h1", {}, alike ? left.run.title : "Side by side"),
    h(
      "div",
      { class: "sides" },
      [left, right].map((model, n) =>
        h(
          "section",
          { class: "one-side", "aria-label": n === 0 ? "Left" : "Right" },
          h(
            "p",
            { class: "run-name" },
            h("a", { href: Page.link({ run: model.run.id }), class: "mono" }, model.run.scenario),
            model.run.without === null ? null : h("span", { class: "without" }, `without ${model.run.without}`),
            Page.outcome(model.run),
          ),
          alike ? null : h("p", { class: "title" }, model.run.title),
          h(
            "p",
            { class: "small" },
            [
              `cert-manager ${model.run.release.replace(/^v(\d+)_(\d+)$/, "$1.$2")}`,
              `seed ${model.run.seed}`,
              ...model.run.overrides,
              `lasts ${Page.span(model.run.virtualNanos)}`,
            ].join("  ·  "),
          ),
        ),
      ),
    ),
    first,
    h(
      "section",
      { "aria-labelledby": "h-both" },
      h(
        "div",
        { class: "pane-head" },
        h("h2", { id: "h-both" }, "Both logs"),
        status,
        h("label", { class: "whole", for: "only" }, onlyBox, " differences only"),
      ),
      what,
      rows.element,
    ),
    Page.costs(left, right),
  );
  element
    .querySelector(".sides")
    .append(
      Page.button("⇄", () => Page.go({ run: right.run.id, with: left.run.id }), {
        class: "btn swap",
        title: "Change sides",
        "aria-label": "Change sides",
      }),
    );
  return {
    title: `${left.run.label} beside ${right.run.label}`,
    element,
    crumbs: Page.crumbs(
      left.run,
      h(
        "span",
        { "aria-current": "page" },
        `beside ${right.run.scenario === left.run.scenario ? (right.run.without === null ? "the scenario as it is" : `without ${right.run.without}`) : right.run.label}`,
      ),
    ),
    enter: work,
    focusSearch: () => rows.element.focus(),
    escape() {
      Page.go({ with: null });
      return true;
    },
    keys: {},
    pairs: () => pairs,
  };
};
