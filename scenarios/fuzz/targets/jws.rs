//! The body of an ACME request.
#![no_main]

use mock_ca::dialect::DialectName;
use mock_ca::wfe::jws::Jws;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    for dialect in [DialectName::Boulder, DialectName::Pebble] {
        if let Ok(jws) = Jws::parse(body, dialect.table()) {
            let _ = jws.identity();
            let _ = jws.payload();
            let _ = jws.url();
        }
    }
});
