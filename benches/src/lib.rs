//! Benchmarks live in `benches/`; `RESULTS.md` has what they gave, with the machine that gave it.
