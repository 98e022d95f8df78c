// How the timeline is painted. It keeps no state: all comes from the rows, the window and the colours.

const paths = new Map();
const pathOf = (kind) => {
  if (!paths.has(kind)) paths.set(kind, new Path2D((Page.SHAPES[kind] ?? Page.SHAPES.event)[0]));
  return paths.get(kind);
};

Page.colours = () => {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const colours = Object.fromEntries(
    [
      "bg",
      "panel",
      "raise",
      "ink",
      "mid",
      "faint",
      "line",
      "hair",
      "accent",
      "accent-ink",
      "wash",
      "bad",
      "bad-wash",
      "hatch",
    ].map((name) => [name, of(name)]),
  );
  colours.sans = of("sans") || "sans-serif";
  return colours;
};

// A canvas as sharp as the screen is.
Page.sized = (canvas, width, height) => {
  const ratio = Math.min(3, devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
};

Page.hatch = (ctx, x0, y0, x1, y1, colour) => {
  if (x1 <= x0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x0, y0, x1 - x0, y1 - y0);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.beginPath();
  const height = y1 - y0;
  // Lines stand on a raster of their own, so that neighbours fit together.
  for (let x = Math.floor((x0 - height) / 7) * 7; x < x1; x += 7) {
    ctx.moveTo(x, y1);
    ctx.lineTo(x + height, y0);
  }
  ctx.stroke();
  ctx.restore();
};

Page.drawShape = (ctx, kind, x, y, colour, background) => {
  const filled = (Page.SHAPES[kind] ?? Page.SHAPES.event)[1];
  ctx.save();
  ctx.translate(x, y);
  if (filled) {
    ctx.fillStyle = colour;
    ctx.fill(pathOf(kind), "evenodd");
  } else {
    ctx.fillStyle = background;
    ctx.fill(pathOf(kind));
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.4;
    ctx.stroke(pathOf(kind));
  }
  ctx.restore();
};

const markColour = (item, c) =>
  item.trouble || item.kind === "fault" || item.kind === "limit" || item.kind === "revoked"
    ? c.bad
    : item.kind === "issued" || item.kind === "ready" || item.kind === "action"
      ? c.accent
      : item.kind === "line" || item.kind === "write"
        ? c.faint
        : c.mid;

// Returns where the marks are, for the pointer: per row [x0, x1, first, last].
Page.drawLanes = (ctx, { rows, width, height, view, model, scale, c, selected, cursor, hover }) => {
  const pixels = width / (view.b - view.a),
    hits = [];
  const toX = (t) => (scale.toU(t) - view.a) * pixels;
  for (const row of rows) {
    if (row.lane.heads) {
      ctx.fillStyle = c.panel;
      ctx.fillRect(0, row.y, width, row.height);
    }
    if (row.focused) {
      ctx.fillStyle = c.wash;
      ctx.fillRect(0, row.y, width, row.height);
    }
    ctx.fillStyle = c.hair;
    ctx.fillRect(0, row.y + row.height - 1, width, 1);
  }
  ctx.fillStyle = c.line;
  for (const tick of view.ticks)
    if (tick.t !== null) ctx.fillRect(Math.round((tick.u - view.a) * pixels), 0, 1, height);
  for (const piece of scale.pieces) {
    if (!piece.silent) continue;
    const [x0, x1] = [(piece.u0 - view.a) * pixels, (piece.u1 - view.a) * pixels];
    if (x1 < 0 || x0 > width) continue;
    ctx.fillStyle = c.panel;
    ctx.fillRect(Math.max(-1, x0), 0, Math.min(width + 1, x1) - Math.max(-1, x0), height);
    Page.hatch(ctx, Math.max(-1, x0), 0, Math.min(width + 1, x1), height, c.line);
  }
  // What was injected over a time reaches through all lanes: it is what the rest has to be read against.
  for (const band of model.bands) {
    const [x0, x1] = [Math.max(-2, toX(band.from)), Math.min(width + 2, toX(band.until))];
    if (x1 < 0 || x0 > width || band.from === band.until) continue;
    ctx.globalAlpha = 0.35;
    ctx.fillStyle = c["bad-wash"];
    ctx.fillRect(x0, 0, x1 - x0, height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = c.bad;
    for (const x of [x0, x1])
      if (x >= 0 && x <= width) for (let y = 0; y < height; y += 6) ctx.fillRect(Math.round(x), y, 1, 3);
  }
  for (const row of rows)
    hits.push(row.lane.heads && row.lane.open ? [] : drawRow(ctx, row, width, view, pixels, c, toX));
  if (hover !== null) {
    ctx.fillStyle = c.faint;
    ctx.fillRect(Math.round(hover), 0, 1, height);
  }
  if (selected !== null) {
    const x = Math.round(toX(selected));
    ctx.fillStyle = c.accent;
    if (x >= -1 && x <= width) ctx.fillRect(x - 0.5, 0, 2, height);
  }
  if (cursor) {
    const x = (cursor.lane.u[cursor.n] - view.a) * pixels;
    ctx.strokeStyle = c.accent;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(x, cursor.y, 8.5, 0, 2 * Math.PI);
    ctx.stroke();
  }
  return hits;
};

function drawRow(ctx, row, width, view, pixels, c, toX) {
  const { lane, middle } = row,
    { items } = lane,
    hits = [];
  // How long something took is a bar behind its mark. They are sorted by length: the first one too short to see ends it.
  for (const n of lane.long) {
    const item = items[n];
    const x0 = (lane.u[n] - view.a) * pixels,
      x1 = toX(item.at + item.lasts);
    if ((item.lasts / (view.tb - view.ta)) * width < 1 && x1 - x0 < 2 && view.plain) break;
    if (x1 - x0 < 2 || x1 < 0 || x0 > width) continue;
    const [left, right] = [Math.max(-2, x0), Math.min(width + 2, x1)];
    const colour = markColour(item, c);
    ctx.globalAlpha = 0.16;
    ctx.fillStyle = colour;
    ctx.fillRect(left, middle - 5, right - left, 10);
    ctx.globalAlpha = 1;
    if (item.kind === "fault") Page.hatch(ctx, left, middle - 5, right, middle + 5, c.hatch);
    ctx.fillStyle = colour;
    ctx.fillRect(left, middle + 4, right - left, 1);
    hits.push([left, right, n, n + 1, true]);
  }
  Page.gather(lane, view.a, view.b, pixels, (from, to, x, w) => {
    const count = to - from;
    const about = lane.about[to] > lane.about[from];
    if (count === 1) {
      const item = items[from];
      Page.drawShape(ctx, item.trouble ? "trouble" : item.kind, x, middle, markColour(item, c), c.bg);
      if (about) {
        ctx.fillStyle = c.accent;
        ctx.fillRect(x - 5, middle + 7, 10, 1.5);
      }
      hits.push([x - 6, x + 6, from, to, false]);
      return;
    }
    const troubles = lane.troubles[to] - lane.troubles[from];
    const left = x - 5;
    ctx.beginPath();
    ctx.roundRect(left, middle - 7, w - 2, 14, 3.5);
    ctx.fillStyle = troubles ? c["bad-wash"] : c.raise;
    ctx.fill();
    ctx.strokeStyle = troubles ? c.bad : c.faint;
    ctx.lineWidth = 1;
    ctx.stroke();
    ctx.fillStyle = troubles ? c.bad : c.ink;
    ctx.fillText(Page.short(count), left + (w - 2) / 2 + (troubles ? 1.5 : 0), middle + 0.5);
    // Trouble among them is a corner, too, for those who do not see the colour.
    if (troubles) {
      ctx.beginPath();
      ctx.moveTo(left - 0.5, middle - 1);
      ctx.lineTo(left - 0.5, middle - 7.5);
      ctx.lineTo(left + 6, middle - 7.5);
      ctx.fill();
    }
    if (about) {
      ctx.fillStyle = c.accent;
      ctx.fillRect(left, middle + 8, w - 2, 1.5);
    }
    hits.push([left, left + w - 2, from, to, false]);
  });
  return hits;
}

Page.drawAxis = (ctx, { width, view, model, c, scale, selected, hover }) => {
  const pixels = width / (view.b - view.a);
  const toX = (t) => (scale.toU(t) - view.a) * pixels;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  ctx.font = `11px ${c.sans}`;
  const xOf = (tick) => (tick.u - view.a) * pixels;
  const silent = view.ticks.filter((tick) => tick.t === null),
    timed = view.ticks.filter((tick) => tick.t !== null);
  for (const tick of silent) {
    const [left, right] = [Math.max(0, xOf(tick) - tick.wide / 2), Math.min(width, xOf(tick) + tick.wide / 2)];
    if (right <= left) continue;
    ctx.fillStyle = c.panel;
    ctx.fillRect(left, 0, right - left, 34);
    Page.hatch(ctx, left, 0, right, 34, c.line);
  }
  ctx.fillStyle = c.faint;
  for (const tick of timed) ctx.fillRect(Math.round(xOf(tick)), 0, 1, 34);
  const taken = [];
  const free = (x0, x1, row) => x0 >= 0 && x1 <= width && !taken.some(([a, b, of]) => of === row && x0 < b && x1 > a);
  const put = (text, x, row, colour) => {
    const wide = ctx.measureText(text).width;
    if (!free(x - 2, x + wide + 4, row)) return false;
    taken.push([x - 2, x + wide + 4, row]);
    ctx.fillStyle = c.bg;
    ctx.fillRect(x - 2, row === 0 ? 3 : 18, wide + 4, 14);
    ctx.fillStyle = colour;
    ctx.fillText(text, x, row === 0 ? 14 : 28);
    return true;
  };
  let day = null;
  for (const tick of timed) {
    const x = xOf(tick);
    const label = tick.odd ? Page.about(tick.t) : Page.tickSpan(tick.t, tick.step);
    put(label, x + 4, 0, c.ink);
    const digits = tick.step >= Page.S || tick.odd ? 0 : Math.min(9, Math.ceil(-Math.log10(tick.step / Page.S) - 1e-9));
    const today = model.clock.day(tick.t);
    const clock = model.clock
      .time(tick.t, digits)
      .replace(tick.step >= Page.MIN && model.clock.time(tick.t, 0).endsWith(":00") ? /:00$/ : /$^/, "");
    if (put(today === day ? clock : `${today.slice(5)} ${clock}`, x + 4, 1, c.faint)) day = today;
  }
  // How long a silence is, where there is room left.
  for (const tick of silent) {
    const label = Page.about(tick.silence),
      wide = ctx.measureText(label).width,
      x = xOf(tick) - wide / 2;
    if (wide > tick.wide - 6 || !free(x - 2, x + wide + 2, 0) || !free(x - 2, x + wide + 2, 1)) continue;
    ctx.fillStyle = c.panel;
    ctx.fillRect(x - 3, 9, wide + 6, 16);
    ctx.fillStyle = c.mid;
    ctx.fillText(label, x, 21);
  }
  const flag = (x, text, colour, ink) => {
    ctx.font = `600 11px ${c.sans}`;
    const wide = ctx.measureText(text).width + 10,
      left = Math.max(0, Math.min(width - wide, x - wide / 2));
    ctx.fillStyle = colour;
    ctx.beginPath();
    ctx.roundRect(left, 2, wide, 17, 3);
    ctx.fill();
    ctx.fillStyle = ink;
    ctx.fillText(text, left + 5, 14);
  };
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10((view.tb - view.ta) / width / Page.S))));
  if (selected !== null && toX(selected) >= 0 && toX(selected) <= width)
    flag(toX(selected), Page.span(selected, Math.max(3, digits)), c.accent, c.bg);
  if (hover !== null) flag(hover, Page.span(Math.max(0, scale.toTime(view.a + hover / pixels)), digits), c.ink, c.bg);
};
