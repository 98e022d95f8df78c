// Drives a built page and says what does not hold. It knows no fixture: all that it needs it finds in the page.
(async () => {
  const failed = [];
  let count = 0;
  const Page = globalThis.Rehearse;
  addEventListener("error", (event) => failed.push(`error: ${event.message} (line ${event.lineno})`));
  addEventListener("unhandledrejection", (event) => failed.push(`rejected: ${event.reason?.message ?? event.reason}`));
  const check = (what, holds, detail = "") => {
    count += 1;
    if (!holds) failed.push(`${what}${detail === "" ? "" : ` [${detail}]`}`);
  };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const frame = () => new Promise((done) => setTimeout(done, 60));
  const until = async (what, holds) => {
    for (let n = 0; n < 100; n += 1) {
      if (holds()) return true;
      await frame();
    }
    check(`comes in time: ${what}`, false);
    return false;
  };
  const press = (node, key, more = {}) =>
    node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  const type = (node, text) => {
    node.value = text;
    node.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const change = (node, value) => {
    node.value = value;
    node.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const parameter = (name) => new URLSearchParams(location.hash.slice(1)).get(name);
  const visit = async (hash) => {
    location.hash = hash;
    await frame();
  };
  const onRun = (id) =>
    until(`run ${id}`, () => one("article.run") && parameter("run") === id && one("article.run .run-name .mono"));
  const onList = async () => {
    one("#home").click();
    await until("the list", () => one(".runs"));
  };
  const named = (node) =>
    (
      node.getAttribute("aria-label") ||
      node.textContent.trim() ||
      (node.id && one(`label[for="${node.id}"]`)?.textContent) ||
      node.closest("label")?.textContent ||
      ""
    ).trim() !== "";

  async function list() {
    const { runs } = Page.index;
    await until("the list", () => one(".runs"));
    const rows = () => all(".runs tbody tr");
    sticksOut("the list");
    check("a row for each run", rows().length === runs.length, `${rows().length} of ${runs.length}`);
    check(
      "ablations stand beneath their scenario",
      all(".runs tr.ablation").every(
        (row) =>
          row.parentElement.firstElementChild.classList.contains("scenario") ||
          !runs.some((r) => r.scenario === row.closest("tbody").dataset.name),
      ),
    );
    const some = runs.at(-1);
    const input = one("#filter");
    type(input, some.scenario);
    check(
      "the filter keeps what it names",
      rows().length > 0 &&
        rows().length < runs.length + 1 &&
        all(".runs tbody").every((body) => body.textContent.includes(some.scenario)),
    );
    type(input, "no run has this \u2042 text");
    check("the filter can leave nothing", rows().length === 0 && /^0 of/.test(one(".filters .count").textContent));
    type(input, "");
    check("without a filter all are back", rows().length === runs.length);
    for (const kind of ["passed", "differs", "stopped"]) {
      const wanted = runs.filter((run) => run.outcome.kind === kind).length;
      if (wanted === 0) continue;
      change(one("#outcome"), kind);
      check(`filter by outcome: ${kind}`, rows().length === wanted, `${rows().length} of ${wanted}`);
    }
    change(one("#outcome"), "");
    const head = () => all(".runs thead th").find((th) => /Lasts/.test(th.textContent));
    one("button", head()).click();
    const firsts = () =>
      all(".runs tbody").map(
        (body) =>
          runs.find((run) => Page.link({ run: run.id }) === one("a.name", body).getAttribute("href")).virtualNanos,
      );
    const sorted = (values, sign) => values.every((v, n) => n === 0 || sign * (v - values[n - 1]) >= 0);
    check(
      "sorted by a number, the largest first",
      sorted(firsts(), -1) && head().getAttribute("aria-sort") === "descending",
    );
    one("button", head()).click();
    check("and the other way", sorted(firsts(), 1) && head().getAttribute("aria-sort") === "ascending");
    one("button", all(".runs thead th")[0]).click();
    check("sort buttons keep the focus", Page.narrow() || document.activeElement?.dataset.key === "scenario");
  }

  const sticksOut = (where) =>
    check(
      `nothing sticks out of ${where}`,
      document.documentElement.scrollWidth <= innerWidth + 1,
      `${document.documentElement.scrollWidth} of ${innerWidth}`,
    );

  async function story(run, record) {
    const told = all(".told");
    check(
      "a line of the story for each",
      told.length === record.story.length,
      `${told.length} of ${record.story.length}`,
    );
    if (told.length === 0) return;
    told.at(-1).click();
    await frame();
    check("a line of the story selects its time", Number(parameter("at")) === record.story.at(-1).at);
    check(
      "the selection is shown",
      !one("#selection").hidden && one("#selection").textContent.includes(Page.span(record.story.at(-1).at, 6)),
    );
    check(
      "the story shows where one is",
      told.some((t) => t.getAttribute("aria-current") === "time"),
    );
    check("the selection is said", one("#said").textContent.length > 0);
    const other = record.story.find((t) => t.at !== record.story.at(-1).at);
    if (other) {
      told[record.story.indexOf(other)].click();
      await frame();
      history.back();
      check("a click can be taken back", await until("back from a line", () => Number(parameter("at")) === record.story.at(-1).at));
    }
    press(document.body, "Escape");
    await frame();
    check("Esc deselects", parameter("at") === null && one("#selection").hidden);
  }

  async function timeline(record) {
    const lanes = () => all(".tl-lane");
    const wanted = new Set([...record.events.map((e) => e.lane), ...record.log.map((l) => `log ${l.source}`)]);
    const there = new Set(lanes().map((lane) => lane.dataset.key));
    check(
      "a lane for each lane and each source of the log",
      [...wanted].every((key) => there.has(key)),
      [...wanted].filter((key) => !there.has(key)).join(),
    );
    const marks = lanes().reduce((n, lane) => n + Number(lane.getAttribute("aria-valuemax")), 0);
    check(
      "no happening is without a mark",
      marks >= record.events.length + record.log.length + record.writes.length,
      `${marks}`,
    );
    check("one label is in the order of tabs", all(".tl-labels > *").filter((l) => l.tabIndex === 0).length === 1);
    const canvas = one(".tl-canvas");
    const ink = () => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, Math.min(canvas.height, 400));
      const seen = new Set();
      for (let n = 0; n < data.length; n += 4)
        if (data[n + 3] > 200) seen.add((data[n] << 16) | (data[n + 1] << 8) | data[n + 2]);
      return seen.size;
    };
    check("something is painted", ink() > 6, String(ink()));
    const lane = lanes().reduce((a, b) =>
      Number(b.getAttribute("aria-valuemax")) > Number(a.getAttribute("aria-valuemax")) ? b : a,
    );
    lane.focus();
    const now = () => Number(lane.getAttribute("aria-valuenow"));
    press(lane, "Home");
    check("Home is the first mark", now() === 1);
    check("a mark says what it is", (lane.getAttribute("aria-valuetext") ?? "").length > 3 && !one(".tl-tip").hidden);
    press(lane, "ArrowRight");
    check("right is the next mark", now() === Math.min(2, Number(lane.getAttribute("aria-valuemax"))));
    press(lane, "End");
    check("End is the last mark", now() === Number(lane.getAttribute("aria-valuemax")));
    const text = lane.getAttribute("aria-valuetext");
    press(lane, "Enter");
    await frame();
    check(
      "Enter opens the mark",
      parameter("at") !== null && text.startsWith(Page.span(Number(parameter("at")), 6)),
      text,
    );
    press(lane, "ArrowUp");
    check(
      "up is another lane",
      document.activeElement !== lane && document.activeElement.closest(".tl-labels") !== null,
    );
    document.activeElement.blur();

    const range = () => {
      Page.view.timeline.paint();
      return one(".tl-range").textContent;
    };
    press(document.body, "f");
    const whole = range();
    press(document.body, "+");
    const closer = range();
    check("plus zooms in", closer !== whole);
    press(document.body, "f");
    check("fit shows the whole run again", range() === whole && whole.includes(Page.span(0)));
    all(".tl-tools .btn")
      .find((b) => b.getAttribute("aria-label") === "Closer")
      .click();
    check("the button zooms, too", range() !== whole);
    for (let n = 0; n < 4; n += 1) press(document.body, "+");
    const before = range();
    press(one(".tl-plot"), "ArrowRight");
    const panned = range();
    press(one(".tl-plot"), "ArrowLeft");
    check(
      "arrows move the window and back",
      panned !== before && range() === before,
      `${before} | ${panned} | ${range()}`,
    );
    const plot = one(".tl-plot"),
      box = plot.getBoundingClientRect();
    plot.dispatchEvent(
      new WheelEvent("wheel", {
        deltaY: -50,
        ctrlKey: true,
        clientX: box.left + 50,
        clientY: box.top + 5,
        bubbles: true,
        cancelable: true,
      }),
    );
    const wheeled = range();
    check("the wheel zooms with ctrl", wheeled !== before);
    const drag = (name, x, id = 1) =>
      plot.dispatchEvent(
        new PointerEvent(name, {
          pointerId: id,
          button: 0,
          clientX: box.left + x,
          clientY: box.top + 8,
          bubbles: true,
          pointerType: "touch",
        }),
      );
    const capture = plot.setPointerCapture;
    plot.setPointerCapture = () => {};
    drag("pointerdown", 200);
    drag("pointermove", 150);
    drag("pointermove", 100);
    drag("pointerup", 100);
    const dragged = range();
    check("dragging pans", dragged !== wheeled);
    drag("pointerdown", 100, 1);
    drag("pointerdown", 200, 2);
    drag("pointermove", 320, 2);
    drag("pointerup", 320, 2);
    drag("pointerup", 100, 1);
    check("two fingers zoom", range() !== dragged);
    plot.setPointerCapture = capture;
    for (let n = 0; n < 90; n += 1) press(document.body, "+");
    const { view } = Page.view.timeline;
    range();
    check(
      "zoom has an end, and stays sane",
      view.b > view.a && Number.isFinite(view.a) && view.tb - view.ta < 1e6,
      String(view.tb - view.ta),
    );
    press(document.body, "f");
    const strip = one(".overview");
    for (let n = 0; n < 4; n += 1) press(document.body, "+");
    const place = (range(), strip.getAttribute("aria-valuetext"));
    press(strip, "ArrowRight");
    range();
    press(strip, "ArrowRight");
    range();
    const moved = strip.getAttribute("aria-valuetext");
    press(strip, "ArrowLeft");
    range();
    check("the strip moves the window", moved !== place || strip.getAttribute("aria-valuetext") !== moved);
    const pressed = () => all(".tl-tools .btn").at(-1).getAttribute("aria-pressed");
    const was = pressed();
    press(document.body, "s");
    check("silence can be squeezed, and not", pressed() !== was);
    const scale = Page.view.timeline.scale,
      end = Page.view.timeline.model.end;
    const squeezed = Page.squeezedScale(Page.view.timeline.model);
    check(
      "scales go there and back",
      [scale, squeezed].every((s) =>
        [0, 0.1, 0.37, 0.5, 0.99, 1].every(
          (x) => Math.abs(s.toTime(s.toU(x * end)) - x * end) <= Math.max(2, end * 1e-9),
        ),
      ),
    );
    press(document.body, "s");
    press(document.body, "f");
    const group = one(".tl-group"),
      open = lanes().length;
    group.click();
    check("a group can be folded", lanes().length < open && one(".tl-group").getAttribute("aria-expanded") === "false");
    one(".tl-group").click();
    check("and unfolded", lanes().length === open);
    // What is gathered adds up, whatever the window.
    const { model } = Page.view.timeline;
    for (const zoom of [1, 7, 300]) {
      const b = scale.width / zoom,
        pixels = 800 / b;
      check(
        `gathered marks add up at ${zoom}`,
        model.lanes.every((l) => {
          const u = l.at.map((t) => scale.toU(t));
          let n = 0,
            edge = -Infinity,
            apart = true;
          Page.gather({ ...l, u }, 0, b, pixels, (from, to, x, w) => {
            if (x >= 0) n += to - from;
            if (x - 5.5 < edge - 7) apart = false;
            edge = x - 5.5 + w;
          });
          return apart && n >= Page.upper(u, b);
        }),
      );
    }
  }

  async function log(record) {
    if (record.log.length === 0) return;
    const rows = () => all(".log .row"),
      status = () => one(".log .count").textContent;
    const search = one(".log input[type=search]");
    const wait = () => new Promise((done) => setTimeout(done, 200));
    check(
      "only what can be seen is in the document",
      rows().length > 0 && rows().length <= Math.min(record.log.length, 120),
      String(rows().length),
    );
    const word = Page.takeApart(record.log.at(-1).text)
      .message.split(" ")
      .sort((a, b) => b.length - a.length)[0];
    const having = (test) => record.log.filter((l) => test(l.text)).length;
    type(search, word);
    await wait();
    const hits = having((text) => text.toLowerCase().includes(word.toLowerCase()));
    check(
      "search finds what has the words",
      status().startsWith(hits === record.log.length ? Page.number(hits) : `${Page.number(hits)} of`),
      `${status()} for ${hits}`,
    );
    check("what was found is marked", all(".log mark").length > 0);
    type(search, "/^[IE]\\d{4} .*]|cert/i");
    await wait();
    const regex = having((text) => /^[IE]\d{4} .*]|cert/i.test(text));
    check("a regex is one", status().startsWith(Page.number(regex)), `${status()} for ${regex}`);
    type(search, "/(/");
    await wait();
    check(
      "a wrong regex is told",
      /Not a regular expression/.test(status()) && search.getAttribute("aria-invalid") === "true",
    );
    type(search, "");
    await wait();
    const [severity, source] = all(".log select");
    const errors = record.log.filter((l) => l.severity === "error").length;
    change(severity, "error");
    check(
      "filter by severity",
      status().startsWith(errors === record.log.length ? Page.number(errors) : `${Page.number(errors)} of`),
      status(),
    );
    change(severity, "");
    const from = record.log[0].source;
    change(source, from);
    check("filter by source", status().startsWith(Page.number(record.log.filter((l) => l.source === from).length)));
    change(source, "");
    const about = record.log.findIndex((l) => l.object !== null && record.writes.some((w) => w.object === l.object));
    const list = one(".log .rows");
    list.scrollTop = 0;
    await frame();
    list.focus();
    press(list, "Home");
    press(list, "ArrowDown");
    press(list, "ArrowUp");
    press(list, "Enter");
    await frame();
    check("Enter on a line selects its time", Number(parameter("at")) === record.log[0].nanos);
    press(list, "End");
    await frame();
    await until("the last line", () => rows().some((row) => Number(row.getAttribute("aria-posinset")) === record.log.length));
    check(
      "End shows the last line",
      rows().some((row) => Number(row.getAttribute("aria-posinset")) === record.log.length),
    );
    if (about >= 0) {
      list.scrollTop = Math.max(0, about * rows()[0].offsetHeight - 30);
      // Where no frame is painted nobody tells of the scrolling.
      list.dispatchEvent(new Event("scroll"));
      await frame();
      await frame();
      await until("the line about an object", () => rows().some((row) => Number(row.dataset.n) === about));
      rows()
        .find((row) => Number(row.dataset.n) === about)
        .click();
      await frame();
      check(
        "a click on a line opens its object",
        parameter("object") === record.log[about].object && one(".object-pick").value === record.log[about].object,
      );
      check(
        "the line is shown in full",
        one(".log-full pre").textContent === Page.takeApart(record.log[about].text).body,
      );
    }
    dispatchEvent(new Event("beforeprint"));
    check("the log is printed", all(".printed li").length >= Math.min(record.log.length, 2000));
    dispatchEvent(new Event("afterprint"));
    check("after printing the colours are as they were", document.documentElement.dataset.theme === undefined);
  }

  async function object(run, record) {
    if (record.writes.length === 0) return;
    const counts = new Map();
    for (const write of record.writes) counts.set(write.object, (counts.get(write.object) ?? 0) + 1);
    const [name] = [...counts].sort((a, b) => b[1] - a[1])[0];
    await visit(Page.link({ run: run.id, object: name }));
    const lines = () => all(".yl");
    check("an object is shown as text", lines().length > 2 || /Deleted/.test(one(".object-said").textContent));
    const [before, after] = all(".object-bar .btn");
    const at = () => /write ([\d,]+) of ([\d,]+)/.exec(one(".object-said").textContent)?.[1];
    const last = at();
    if (counts.get(name) > 1) {
      before.click();
      await frame();
      check(
        "to the write before",
        at() !== undefined && at() !== last && parameter("at") !== null,
        `${last} to ${at()}`,
      );
      check(
        "what a write changed is signed",
        lines().some((l) => /^[+−]/.test(l.textContent)),
      );
      after.click();
      await frame();
      check("and to the next one", at() === last, `${at()} ${last}`);
    }
    // Patches by themselves, without what the page keeps on the way.
    const merge = (a, p) => {
      if (p === null || typeof p !== "object" || Array.isArray(p)) return p;
      const r = a && typeof a === "object" && !Array.isArray(a) ? { ...a } : {};
      for (const k in p)
        if (p[k] === null) delete r[k];
        else r[k] = merge(r[k], p[k]);
      return r;
    };
    const { objects } = Page.view.timeline.model;
    let same = true;
    for (const thing of objects.values()) {
      let state = null;
      const order = thing.writes.map(
        (w) => (state = w.change === "deleted" ? null : w.change === "added" ? w.patch : merge(state, w.patch)),
      );
      for (let n = Math.min(order.length, 200) - 1; n >= 0; n -= 3)
        if (JSON.stringify(Page.stateAt(thing, n)) !== JSON.stringify(order[n])) same = false;
    }
    check("patches make the states", same);
    const first = record.writes.find((w) => w.object === name);
    if (first.at > 0) {
      await visit(Page.link({ run: run.id, at: first.at - 1, object: name }));
      check("before its first write an object is not there", /Not there yet/.test(one(".object-said").textContent));
    }
  }

  async function compare(a, b) {
    await visit(Page.link({ run: a.id, with: b.id }));
    if (!(await until("two runs", () => one("article.compare")))) return;
    const [x, y] = [await Page.unpack(a.n), await Page.unpack(b.n)].map((r) => r.log.length);
    const pairs = Page.view.pairs();
    check(
      "all lines of both are aligned, in order",
      pairs
        .map(([m]) => m)
        .filter((m) => m >= 0)
        .every((m, n) => m === n) &&
        pairs
          .map(([, k]) => k)
          .filter((k) => k >= 0)
          .every((k, n) => k === n) &&
        pairs.filter(([m]) => m >= 0).length === x &&
        pairs.filter(([, k]) => k >= 0).length === y,
    );
    sticksOut("two runs");
    check(
      "the first difference comes first",
      one(".compare section.first h2") !== null &&
        one(".first").compareDocumentPosition(one(".compare .rows")) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    const equal = () => Number(/^([\d,]+)/.exec(one(".compare .count").textContent)[1].replace(/,/g, ""));
    const blind = equal();
    for (const box of all(".compared input")) box.click();
    check("what is left out can only add equal lines", equal() <= blind, `${equal()} ${blind}`);
    for (const box of all(".compared input")) box.click();
    check("and back", equal() === blind);
    check("counts stand beside each other", one(".costs tbody tr td.num") !== null);
    one("#only").click();
    check("differences only", all(".pair-row.both").length === 0);
    one(".swap").click();
    await until("changed sides", () => parameter("run") === b.id && one("article.compare"));
    check("sides can be changed", parameter("with") === a.id);
  }

  try {
    const { runs } = Page.index;
    check("at least two runs", runs.length >= 2);
    if (location.hash) await onList();
    await list();
    const main =
      runs.find((run) => run.without === null && runs.some((r) => r.scenario === run.scenario && r.without !== null)) ??
      runs[0];
    all("a.name")
      .find((a) => a.getAttribute("href") === Page.link({ run: main.id }))
      .click();
    await onRun(main.id);
    const record = await Page.unpack(main.n);
    check("the title is there once", all("h1").length === 1 && one("h1").textContent === main.title);
    check("its address is a deep link", Page.parse(location.hash).run === main.id);
    check("landmarks", one("header") && one("main") && one("nav[aria-label]") && one("footer"));
    await story(main, record);
    await timeline(record);
    await log(record);
    await object(main, record);
    check(
      "all controls have names",
      all("button, input, select, [role=slider], [role=listbox]").every(named),
      all("button, input, select").find((n) => !named(n))?.outerHTML ?? "",
    );
    sticksOut("a run");
    const theme = document.documentElement.dataset.theme;
    one("#theme").click();
    check("the switch changes the colours", document.documentElement.dataset.theme !== theme);
    one("#theme").click();
    one("#theme").click();
    press(document.body, "?");
    check("? shows the keys", one("#keys").open && all("#keys kbd").length > 10);
    one("#keys").close();

    const at = record.log[0]?.nanos ?? 0;
    await visit(Page.link({ run: main.id, at }));
    await visit(Page.link({ run: main.id, at: at + 1 }));
    history.back();
    await until("back", () => Number(parameter("at")) === at);
    check("back is where one was", one("#selection").textContent.includes(Page.span(at, 6)));
    history.forward();
    await until("forward", () => Number(parameter("at")) === at + 1);
    check("forward, too", !one("#selection").hidden);

    const relative = runs.find((r) => r.scenario === main.scenario && r !== main);
    if (relative)
      check(
        "an ablation is one click away",
        all(".others a").length >= 0 &&
          (await onRun(main.id),
          all(".others a").some((a) => a.getAttribute("href") === Page.link({ run: main.id, with: relative.id }))),
      );
    await compare(main, relative ?? runs.find((r) => r !== main));
    await visit("#run=there-is-no-such-run");
    await until("a notice", () => one(".notice"));
    check("an unknown run is told", one(".notice")?.textContent.includes("there-is-no-such-run"));

    check("text stays text", Page.h("p", {}, "<img src=x onerror=alert(1)>").children.length === 0);
    check(
      "times as the command line has them",
      Page.span(886575e6) === "14m46.575s" &&
        Page.span(36e11) === "1h0m0s" &&
        Page.span(23e6) === "23ms" &&
        Page.span(1728e11) === "2d0h0m0s",
      Page.span(886575e6),
    );
    check(
      "lines are aligned",
      JSON.stringify(Page.align([1, 2, 3, 4], [1, 3, 5, 4])) === "[[0,0],[1,-1],[2,1],[-1,2],[3,3]]",
    );
    const dull = Array.from({ length: 3000 }, (_, n) => n % 3),
      other = dull.filter((_, n) => n !== 1000);
    check(
      "long and dull lists are aligned",
      Page.align(dull, other).filter(([m, n]) => m >= 0 && n >= 0).length >= 2990,
    );

    // Each run opens without an error.
    for (const run of runs.slice(0, 60)) {
      await visit(Page.link({ run: run.id }));
      if (
        !(await until(
          `opens ${run.id}`,
          () =>
            one("article.run") &&
            one(".run-name .mono").textContent === run.scenario &&
            one("h1").textContent === run.title,
        ))
      )
        break;
    }
    count += 1;
    const big = [...runs].sort(
      (a, b) =>
        document.querySelector(`script.run[data-n="${b.n}"]`).textContent.length -
        document.querySelector(`script.run[data-n="${a.n}"]`).textContent.length,
    )[0];
    await visit(Page.link({ run: big.id }));
    await onRun(big.id);
    await frame();
    const long = one(".log .rows");
    if (long) {
      press(long, "End");
      await frame();
      check("rows that cannot be seen are not in the document", all(".row", long).length <= 120, all(".row", long).length);
    }
    const started = performance.now();
    for (let n = 0; n < 20; n += 1) {
      Page.view.timeline.zoom(n < 10 ? 0.8 : 1.25);
      Page.view.timeline.paint();
    }
    const each = (performance.now() - started) / 20;
    check("the largest run is painted in time", each < 60, `${each.toFixed(1)} ms`);
    document.documentElement.dataset.paint = each.toFixed(2);
  } catch (error) {
    failed.push(`thrown: ${error.message} ${error.stack?.split("\n")[1]?.trim() ?? ""}`);
  }
  const verdict = document.createElement("pre");
  verdict.id = "verdict";
  verdict.textContent =
    failed.length === 0 ? `ok ${count} checks` : `failed: ${failed.join("\n        ")}\n(${count} checks)`;
  document.body.append(verdict);
})();
