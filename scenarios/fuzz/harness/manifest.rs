//! Manifests: any bytes are objects or one error with a place, whichever versions are served and however lenient the
//! loader is; what is loaded can be said in every older version, and read again.

use engine::api::convert::{Version, from_v1, offer_solvers};
use engine::manifest::{ManifestError, Options, load, load_lenient, load_with};

/// Whether the lenient loader takes it.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let anyway = Options { convert: true, prune: true, ..Options::default() };
    if let Ok(text) = std::str::from_utf8(bytes) {
        let loaded = [
            load("fuzz.yaml", text),
            load_with("fuzz.yaml", text, &anyway),
            load_with("fuzz.yaml", text, &Options::of(&engine::compat::V0_2)),
        ];
        for error in loaded.into_iter().filter_map(Result::err) {
            has_a_place(&error);
        }
    }
    let mut loaded = match load_lenient("fuzz.yaml", bytes) {
        Ok(loaded) => loaded,
        Err(error) => {
            has_a_place(&error);
            return false;
        }
    };
    assert!(loaded.repairs.iter().all(|repair| repair.line > 0 && repair.column > 0), "{:?}", loaded.repairs);
    offer_solvers(&mut loaded.objects);
    let anyway = Options { rules: None, ..anyway };
    for object in &loaded.objects {
        for version in Version::ALL {
            let text = from_v1(object, version).json.to_string();
            // What is against Kubernetes' own rules was let pass before.
            if let Err(error) = load_with("again.json", &text, &anyway) {
                has_a_place(&error);
            }
        }
    }
    true
}

fn has_a_place(error: &ManifestError) {
    let (_, line, column) = error.location();
    assert!(line > 0 && column > 0, "{error}");
}
