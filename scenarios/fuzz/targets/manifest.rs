//! Manifests: any text is objects or one error with a place.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = engine::manifest::load("fuzz.yaml", text) {
        let (_, line, column) = error.location();
        assert!(line > 0 && column > 0);
    }
});
