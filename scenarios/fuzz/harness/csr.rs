//! Certificate signing requests, DER: what is read names somebody, what is not says why.

use mock_ca::ca::csr::Csr;
use mock_ca::dialect::DialectName;

/// Whether a dialect would sign it.
pub(crate) fn run(der: &[u8]) -> bool {
    let mut accepted = false;
    for dialect in [DialectName::Boulder, DialectName::Pebble] {
        match Csr::parse(der, &dialect.table().csr, &[]) {
            Ok(csr) => {
                accepted = true;
                assert!(!csr.identifiers.is_empty() || csr.common_name.is_some());
                assert!(csr.key.is(&csr.key.as_jwk()));
                assert_eq!(world::PublicKey::from_spki(csr.key.spki()).as_ref(), Ok(csr.key.public()));
                let order: Vec<_> = csr.identifiers.iter().cloned().collect();
                assert_eq!(csr.check_identifiers(&order).map_err(|problem| problem.detail), Ok(()));
            }
            Err(problem) => assert!(!problem.detail.is_empty(), "{problem:?}"),
        }
    }
    accepted
}
