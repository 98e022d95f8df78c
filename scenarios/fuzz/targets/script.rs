//! Scripts: any text is a scenario or one error with a place.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = engine::manifest::yaml::from_str::<scenarios::script::Scenario>("fuzz.yaml", text) {
        let (_, line, column) = error.location();
        assert!(line > 0 && column > 0);
    }
});
