//! Ingresses: a TLS block is a Secret and its hosts.
//!
//! All Ingresses pass through the queue, those of the HTTP-01 solver, too: the end of each leaves a line in older
//! releases.

use std::collections::BTreeMap;

use super::{Blocks, IngressLike, join};
use crate::api::Ingress;
use crate::compat::Shims;
use crate::log::{Message, catalogue as msg};

impl IngressLike for Ingress {
    const SHIM: &'static str = "ingress-shim";
    const AUTO: bool = true;
    const GONE: (&'static Message, &'static str) = (&msg::INGRESS_GONE, "ingress");

    /// Two blocks with one Secret: they would be one Certificate.
    fn flaw(&self) -> Option<String> {
        let tls = &self.spec.tls;
        let mut errors = Vec::new();
        for (first, block) in tls.iter().enumerate() {
            let name = &block.secret_name;
            let same: Vec<usize> =
                tls.iter().enumerate().filter(|(_, b)| b.secret_name == *name).map(|(i, _)| i).collect();
            if let [own, second, ..] = same.as_slice()
                && *own == first
            {
                errors.push(format!(
                    "spec.tls[{first}].secretName: Invalid value: {name:?}: this secret name must only appear in a \
                     single TLS entry but is also used in spec.tls[{second}].secretName"
                ));
            }
        }
        join(&errors)
    }

    fn blocks(&self, _: Shims) -> Blocks {
        let mut blocks = Blocks::default();
        for (index, tls) in self.spec.tls.iter().enumerate() {
            let required = |field: &str| format!("spec.tls[{index}].{field}: Required value");
            let mut errors = Vec::new();
            if tls.hosts.is_empty() {
                errors.push(required("hosts"));
            }
            if tls.secret_name.is_empty() {
                errors.push(required("secretName"));
            }
            match join(&errors) {
                Some(error) => blocks.skipped.push(format!("Skipped a TLS block: {error}")),
                None => {
                    blocks.hosts.insert(tls.secret_name.clone(), tls.hosts.clone());
                }
            }
        }
        blocks
    }

    fn names_secret(&self, secret: &str) -> bool {
        self.spec.tls.iter().any(|tls| tls.secret_name == secret)
    }

    fn lead_here(&self, _: &mut BTreeMap<String, String>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IngressTls;
    use crate::compat::V1_7;

    fn ingress(blocks: &[(&str, &[&str])]) -> Ingress {
        let block = |(secret, hosts): &(&str, &[&str])| IngressTls {
            hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            secret_name: (*secret).to_owned(),
        };
        let mut ingress = Ingress::default();
        ingress.spec.tls = blocks.iter().map(block).collect();
        ingress
    }

    #[test]
    fn one_certificate_per_block_and_incomplete_blocks_are_passed_over() {
        let ingress = ingress(&[("one", &["a.test"]), ("", &["b.test"]), ("two", &[]), ("", &[])]);
        let blocks = ingress.blocks(V1_7.shims);
        assert_eq!(blocks.hosts.keys().collect::<Vec<_>>(), ["one"]);
        assert_eq!(
            blocks.skipped,
            [
                "Skipped a TLS block: spec.tls[1].secretName: Required value",
                "Skipped a TLS block: spec.tls[2].hosts: Required value",
                "Skipped a TLS block: [spec.tls[3].hosts: Required value, spec.tls[3].secretName: Required value]",
            ]
        );
        assert!(ingress.names_secret("two"), "its Certificate is not deleted");
    }

    #[test]
    fn a_secret_in_two_blocks_spoils_the_ingress() {
        assert_eq!(ingress(&[("one", &["a.test"]), ("two", &["b.test"])]).flaw(), None);
        let twice = ingress(&[("one", &["a.test"]), ("two", &["b.test"]), ("one", &["c.test"])]);
        assert_eq!(
            twice.flaw().unwrap(),
            "spec.tls[0].secretName: Invalid value: \"one\": this secret name must only appear in a single TLS entry \
             but is also used in spec.tls[2].secretName"
        );
    }
}
