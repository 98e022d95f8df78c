//! The seeds of a fuzz target for plain tests: whole, cut at every length, and with bytes changed.

use std::path::Path;

/// What becomes of a byte.
const SPOILED: [fn(u8) -> u8; 4] = [|b| b ^ 1, |b| b ^ 0x80, |_| 0, |_| 0xff];

/// The seeds of a target by name.
pub(crate) fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/fuzz/seeds").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "a dozen seeds for {target}, not {}", paths.len());
    paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

/// Runs the target with its seeds: whole, cut at every length, and spoiled at up to `most` places of each. `run`
/// says whether it was accepted; of the whole seeds some must be, and some not.
pub(crate) fn each(target: &str, most: usize, run: impl Fn(&[u8]) -> bool) {
    let seeds = of(target);
    let accepted = seeds.iter().filter(|(_, seed)| run(seed)).count();
    assert!((1..seeds.len()).contains(&accepted), "{target}: {accepted} of {} accepted", seeds.len());
    for (name, seed) in &seeds {
        for at in 0..seed.len() {
            survived(&run, &seed[..at], name);
        }
        let step = seed.len().div_ceil(most).max(1);
        for (n, at) in (0..seed.len()).step_by(step).enumerate() {
            let mut spoiled = seed.clone();
            spoiled[at] = SPOILED[n % SPOILED.len()](seed[at]);
            survived(&run, &spoiled, name);
        }
    }
}

fn survived(run: impl Fn(&[u8]) -> bool, input: &[u8], of: &str) {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(input)));
    assert!(done.is_ok(), "{of}, damaged: {:?}", String::from_utf8_lossy(input));
}
