// Marks that would lie on each other are gathered into one with a count. The work is by what is drawn, not by what there is.

const NEAR = 11;

// The width of a mark that stands for `n`.
Page.pillWidth = (n) => (n < 2 ? NEAR : 11 + 6.2 * Page.short(n).length);

// Calls visit(from, to, x, width) for each mark between the places a and b of the scale; `pixels` is pixels per unit.
Page.gather = (lane, a, b, pixels, visit) => {
  const { u } = lane,
    count = u.length;
  let n = Page.lower(u, a - 60 / pixels);
  // What is gathered must not depend on where the window begins, or it would flicker while it moves: go back to the last clear gap.
  let steps = 0;
  for (; n > 0 && steps < 300 && u[n] - u[n - 1] < 40 / pixels; steps += 1) n -= 1;
  // Where there is none, a raster that moves with the marks has to do.
  if (steps === 300) n = Page.lower(u, (Math.floor((u[n] * pixels) / 240) * 240) / pixels);
  while (n < count) {
    const x = (u[n] - a) * pixels;
    if (u[n] > b + NEAR / pixels) return;
    let width = NEAR,
      to = Page.lower(u, u[n] + width / pixels, n + 1);
    for (let again = 0; to - n > 1 && again < 3; again += 1) {
      const needed = Page.pillWidth(to - n) + 2;
      if (needed <= width) break;
      width = needed;
      to = Page.lower(u, u[n] + width / pixels, n + 1);
    }
    visit(n, to, x, to - n > 1 ? Page.pillWidth(to - n) : NEAR);
    n = to;
  }
};

// Puts the marks of a lane on a scale.
Page.placeOn = (lane, scale) => {
  lane.u = lane.at.map((t) => scale.toU(t));
};
