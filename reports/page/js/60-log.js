// The log: searched, filtered, and drawn a window at a time.

// What is searched for: words as they are, or /a regex/ with its flags.
Page.pattern = (text) => {
  const regex = /^\/(.+)\/([a-z]*)$/.exec(text);
  if (regex) {
    try {
      return { test: new RegExp(regex[1], `${regex[2].replace(/[gy]/g, "")}g`) };
    } catch (error) {
      return { wrong: error.message.replace(/^Invalid regular expression: /, "") };
    }
  }
  return text === "" ? null : { test: new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi") };
};

// Text with what was found marked, as nodes.
Page.marked = (text, pattern) => {
  if (!pattern?.test) return [text];
  const nodes = [];
  let from = 0;
  pattern.test.lastIndex = 0;
  for (const found of text.matchAll(pattern.test)) {
    if (found[0] === "") continue;
    if (found.index > from) nodes.push(text.slice(from, found.index));
    nodes.push(Page.h("mark", {}, found[0]));
    from = found.index + found[0].length;
    if (nodes.length > 40) break;
  }
  nodes.push(text.slice(from));
  return nodes;
};

Page.severity = (line) =>
  Page.h(
    "span",
    { class: `sev ${line.severity === "error" ? "bad" : ""}`, title: line.severity },
    line.severity === "error" ? "E" : "I",
  );

Page.log = (model) => {
  const {
      record: { log },
    } = model,
    h = Page.h;
  let shown = Int32Array.from(log, (_, n) => n),
    pattern = null,
    chosen = -1;
  const sorted = (values) => [...new Set(values)].sort((a, b) => a.localeCompare(b));
  const search = h("input", {
    type: "search",
    placeholder: "Search, or /regex/",
    "aria-label": "Search the log; /…/ is a regular expression",
    autocomplete: "off",
    spellcheck: "false",
  });
  const errors = log.filter((line) => line.severity === "error").length;
  const severity = h(
    "select",
    { "aria-label": "Severity" },
    Page.option("", "Severity"),
    Page.option("error", `errors (${Page.number(errors)})`),
    Page.option("info", `info (${Page.number(log.length - errors)})`),
  );
  const source = h(
    "select",
    { "aria-label": "Source" },
    Page.option("", "Source"),
    sorted(log.map((line) => line.source)).map((name) => Page.option(name)),
  );
  const object = h(
    "select",
    { "aria-label": "Object" },
    Page.option("", "Object"),
    sorted(log.map((line) => line.object).filter(Boolean)).map((name) => Page.option(name)),
  );
  const status = h("p", { class: "count", role: "status" });
  const full = h("div", { class: "log-full", hidden: true });

  // What was found has to be seen, even far to the right.
  const near = (text, message) => {
    if (!pattern?.test || message.search(pattern.test) >= 0) return text;
    const found = text.search(pattern.test);
    return found > 30 ? `… ${text.slice(found - 16)}` : text;
  };
  const rows = Page.rows({
    label: "Lines of the log",
    height: Page.narrow() ? 38 : 21,
    render(n, row) {
      const line = log[shown[n]],
        { message, rest, logger } = Page.takeApart(line.text);
      row.classList.add("log-row");
      if (line.severity === "error") row.classList.add("error");
      if (shown[n] === chosen) row.classList.add("chosen");
      if (Page.state.object !== null && line.object === Page.state.object) row.classList.add("about");
      const gist = near(Page.gist(rest), message);
      return [
        h("span", { class: "t" }, Page.span(line.nanos)),
        Page.severity(line),
        h("span", { class: "src", title: line.source }, line.source),
        h(
          "span",
          { class: "txt" },
          h("span", { class: "msg" }, Page.marked(message, pattern)),
          gist || logger ? h("span", { class: "rest" }, " ", Page.marked(gist, pattern)) : null,
        ),
      ];
    },
    enter(n) {
      const line = log[shown[n]];
      Page.select({
        at: line.nanos,
        lasts: 0,
        kind: "line",
        text: line.text,
        object: line.object,
        trouble: line.severity === "error",
        cause: null,
        log: shown[n],
      });
    },
  });

  const filter = () => {
    pattern = Page.pattern(search.value);
    search.setAttribute("aria-invalid", String(Boolean(pattern?.wrong)));
    if (pattern?.wrong) {
      status.textContent = `Not a regular expression: ${pattern.wrong}`;
      return;
    }
    const test = pattern?.test;
    const keep = [];
    log.forEach((line, n) => {
      if (severity.value && line.severity !== severity.value) return;
      if (source.value && line.source !== source.value) return;
      if (object.value && line.object !== object.value) return;
      if (test) {
        test.lastIndex = 0;
        if (!test.test(line.text)) return;
      }
      keep.push(n);
    });
    shown = Int32Array.from(keep);
    status.textContent =
      shown.length === log.length
        ? Page.many(log.length, "line")
        : `${Page.number(shown.length)} of ${Page.many(log.length, "line")}`;
    rows.chosen = -1;
    rows.set(shown.length);
    follow();
  };
  // To the line that was clicked, or the last one at the selected time or before it.
  const follow = () => {
    const { at } = Page.state;
    const picked = Page.pick?.log ?? -1;
    chosen = at === null ? -1 : picked >= 0 && log[picked]?.nanos === at ? picked : Page.upper(model.logTimes, at) - 1;
    const n = chosen < 0 ? -1 : Page.upper(shown, chosen) - 1;
    const exact = n >= 0 && shown[n] === chosen;
    rows.chosen = exact ? n : -1;
    if (n >= 0) {
      rows.active = n;
      rows.reveal(n, true);
    }
    rows.redraw();
    explain();
  };
  const explain = () => {
    full.hidden = chosen < 0;
    if (chosen < 0) return;
    const line = log[chosen],
      { place, body } = Page.takeApart(line.text);
    const exact = line.nanos === Page.state.at;
    full.replaceChildren(
      h(
        "p",
        { class: "log-place" },
        exact ? null : h("span", {}, "the last line before, at ", Page.span(line.nanos)),
        h("span", {}, line.source),
        place ? h("span", { class: "mono" }, place) : null,
        line.object
          ? Page.button(line.object, () => Page.go({ object: line.object }, { pick: Page.pick }), {
              class: "link mono",
            })
          : null,
      ),
      h("pre", { tabindex: "0", "aria-label": "The line in full" }, Page.marked(body, pattern)),
    );
  };
  search.addEventListener("input", Page.later(filter, 80));
  for (const select of [severity, source, object]) select.addEventListener("change", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    rows.element.focus();
    if (rows.active < 0) rows.go(0);
  });
  const printed = h("ol", { class: "printed" });
  const onPrint = () => {
    const most = 2000;
    printed.replaceChildren(
      ...[...shown.slice(0, most)].map((n) =>
        h(
          "li",
          {},
          `${Page.span(log[n].nanos)}  ${log[n].severity === "error" ? "E" : "I"}  ${Page.takeApart(log[n].text).body}`,
        ),
      ),
      ...(shown.length > most
        ? [h("li", {}, `and ${Page.number(shown.length - most)} lines that are not printed`)]
        : []),
    );
  };
  return {
    element: h(
      "section",
      { class: "log", "aria-labelledby": "h-log" },
      h("div", { class: "pane-head" }, h("h2", { id: "h-log" }, "Log"), status),
      h("div", { class: "log-filters" }, search, severity, source, object),
      log.length ? rows.element : h("p", { class: "none" }, "The engine has logged nothing."),
      full,
      printed,
    ),
    enter() {
      filter();
      addEventListener("beforeprint", onPrint);
    },
    leave() {
      removeEventListener("beforeprint", onPrint);
    },
    select: follow,
    focusSearch() {
      search.focus();
      search.select();
    },
  };
};
