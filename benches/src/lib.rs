//! Benchmarks: criterion's are in `benches/`, the load generator is [`load`] with its command `issuance-load`. `RESULTS.md`
//! has what they gave, with the machine that gave it.

pub mod load;
