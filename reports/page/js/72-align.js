// Two lists of lines beside each other, with as many equal lines facing as can be found.

// Gives pairs [index in a or -1, index in b or -1]. Lines are compared by ===.
Page.align = (a, b) => {
  const pairs = [];
  region(a, b, 0, a.length, 0, b.length, pairs);
  return pairs;
};

const TABLE = 1.5e6;

function region(a, b, a0, a1, b0, b1, pairs) {
  while (a0 < a1 && b0 < b1 && a[a0] === b[b0]) {
    pairs.push([a0, b0]);
    a0 += 1;
    b0 += 1;
  }
  let tail = 0;
  while (a1 > a0 && b1 > b0 && a[a1 - 1] === b[b1 - 1]) {
    a1 -= 1;
    b1 -= 1;
    tail += 1;
  }
  if (a0 === a1 || b0 === b1) apart(a0, a1, b0, b1, pairs);
  else if ((a1 - a0) * (b1 - b0) <= TABLE) table(a, b, a0, a1, b0, b1, pairs);
  else {
    // Too large for a table: lines that occur once on either side hold it together, and what is between them is aligned by itself.
    const anchors = once(a, b, a0, a1, b0, b1);
    if (anchors.length === 0) halves(a, b, a0, a1, b0, b1, pairs);
    else {
      let [x, y] = [a0, b0];
      for (const [m, n] of anchors) {
        if (m < x || n < y) continue;
        region(a, b, x, m, y, n, pairs);
        pairs.push([m, n]);
        [x, y] = [m + 1, n + 1];
      }
      region(a, b, x, a1, y, b1, pairs);
    }
  }
  for (let n = 0; n < tail; n += 1) pairs.push([a1 + n, b1 + n]);
}

function apart(a0, a1, b0, b1, pairs) {
  for (let n = a0; n < a1; n += 1) pairs.push([n, -1]);
  for (let n = b0; n < b1; n += 1) pairs.push([-1, n]);
}

// The longest common subsequence, by a table from the end.
function table(a, b, a0, a1, b0, b1, pairs) {
  const wide = b1 - b0 + 1;
  const best = new Uint16Array((a1 - a0 + 1) * wide);
  for (let m = a1 - 1; m >= a0; m -= 1) {
    for (let n = b1 - 1; n >= b0; n -= 1) {
      const here = (m - a0) * wide + n - b0;
      best[here] = a[m] === b[n] ? best[here + wide + 1] + 1 : Math.max(best[here + wide], best[here + 1]);
    }
  }
  let [m, n] = [a0, b0];
  while (m < a1 && n < b1) {
    const here = (m - a0) * wide + n - b0;
    if (a[m] === b[n]) {
      pairs.push([m, n]);
      m += 1;
      n += 1;
    } else if (best[here + wide] >= best[here + 1]) {
      pairs.push([m, -1]);
      m += 1;
    } else {
      pairs.push([-1, n]);
      n += 1;
    }
  }
  apart(m, a1, n, b1, pairs);
}

// Lines that occur once in each, in an order that both have (the longest rising sequence).
function once(a, b, a0, a1, b0, b1) {
  const count = (list, from, to) => {
    const seen = new Map();
    for (let n = from; n < to; n += 1) seen.set(list[n], seen.has(list[n]) ? -1 : n);
    return seen;
  };
  const inA = count(a, a0, a1),
    inB = count(b, b0, b1);
  const common = [...inA]
    .filter(([line, m]) => m >= 0 && (inB.get(line) ?? -1) >= 0)
    .map(([line, m]) => [m, inB.get(line)]);
  const tops = [],
    back = [];
  common.forEach(([, n], k) => {
    const at = Page.lower(
      tops.map((t) => common[t][1]),
      n,
    );
    back[k] = at > 0 ? tops[at - 1] : -1;
    tops[at] = k;
  });
  const chain = [];
  for (let k = tops.at(-1) ?? -1; k >= 0; k = back[k]) chain.push(common[k]);
  return chain.reverse();
}

// A long stretch of ever the same few lines: it is cut where the line in the middle comes again next to its place.
function halves(a, b, a0, a1, b0, b1, pairs) {
  const middle = (a0 + a1) >> 1,
    guess = b0 + Math.floor(((middle - a0) / (a1 - a0)) * (b1 - b0));
  for (let off = 0; off < b1 - b0; off += 1) {
    for (const n of off === 0 ? [guess] : [guess - off, guess + off]) {
      if (n < b0 || n >= b1 || b[n] !== a[middle]) continue;
      region(a, b, a0, middle, b0, n, pairs);
      pairs.push([middle, n]);
      region(a, b, middle + 1, a1, n + 1, b1, pairs);
      return;
    }
  }
  // The middle one is in `a` only.
  region(a, b, a0, middle, b0, guess, pairs);
  pairs.push([middle, -1]);
  region(a, b, middle + 1, a1, guess, b1, pairs);
}
