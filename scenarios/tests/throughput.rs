//! How fast cert-manager's own client limits let certificates be issued.

use std::time::Duration;

use crate::common::bench::{Bench, release, simulate};
use engine::api::{Certificate, Kind};

const ISSUERS: usize = 10;
const CERTIFICATES: usize = 500;

/// The CA of every issuer, and the issuers.
fn authorities() -> String {
    let mut manifest = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: { name: self }\n\
                        spec: { selfSigned: {} }\n"
        .to_owned();
    for n in 0..ISSUERS {
        manifest += &format!(
            "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: ca-{n}, namespace: app }}\n\
             spec:\n  secretName: ca-{n}\n  commonName: CA {n}\n  isCA: true\n  privateKey: {{ algorithm: ECDSA }}\n  \
             issuerRef: {{ name: self, kind: ClusterIssuer, group: cert-manager.io }}\n---\n\
             apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: ca-{n}, namespace: app }}\n\
             spec: {{ ca: {{ secretName: ca-{n} }} }}\n"
        );
    }
    manifest
}

fn certificates() -> String {
    let one = |n: usize| {
        format!(
            "---\napiVersion: cert-manager.io/v1\nkind: Certificate\n\
             metadata: {{ name: web-{n}, namespace: app }}\nspec:\n  secretName: web-{n}\n  \
             dnsNames: [web-{n}.example.com]\n  privateKey: {{ algorithm: ECDSA }}\n  \
             issuerRef: {{ name: ca-{}, kind: Issuer, group: cert-manager.io }}\n",
            n % ISSUERS
        )
    };
    (0..CERTIFICATES).map(one).collect()
}

/// The maintainers measured 417 s for 500 certificates from 10 CA issuers in a kind cluster (2023-01, release 1.11),
/// which at 20 calls per second is 16.7 calls for each. Of the releases here 1.16 is the nearest: as in 1.11 one
/// rate limit is for all clients, and every controller has its own recorder of events, so that events take their
/// share of it. In 1.7 there is a limit for each of two clients, and one recorder.
#[test]
fn five_hundred_ca_certificates_take_the_published_time() {
    let (took, calls, conflicts) = simulate(|world| async move {
        let bench = Bench::start(&world, release("v1_16"), &authorities()).await;
        bench.wait(120).await;
        let before = bench.timing.counts();
        let started = world.monotonic();
        bench.apply(&certificates());
        let ready = |bench: &Bench| {
            let all = bench.store.list(Kind::Certificate);
            let all = all.iter().filter_map(|o| o.get::<Certificate>());
            all.filter(|c| {
                let ready = |c: &engine::api::Condition| c.type_ == "Ready" && c.status.as_str() == "True";
                c.status.conditions.iter().any(ready)
            })
            .count()
        };
        while ready(&bench) < CERTIFICATES + ISSUERS {
            world.sleep(Duration::from_secs(1)).await;
            assert!(world.monotonic().since(started) < Duration::from_secs(3600), "{} ready", ready(&bench));
        }
        let took = world.monotonic().since(started).as_secs();
        let after = bench.timing.counts();
        let calls: Vec<(String, u64)> = after
            .calls
            .iter()
            .map(|(call, n)| (call.clone(), n - before.calls.get(call).copied().unwrap_or_default()))
            .collect();
        (took, calls, after.conflicts - before.conflicts)
    });
    let each = |n: u64| n as f64 / CERTIFICATES as f64;
    let total: u64 = calls.iter().map(|(_, n)| n).sum();
    println!("{CERTIFICATES} certificates in {took} s of virtual time: {:.1} calls each", each(total));
    for (call, n) in &calls {
        println!("{:>6.2} {call}", each(*n));
    }
    println!("{:>6.2} conflicts", each(conflicts));
    // 475 s when this was written. What is above the published figure are the writes that lose against a newer
    // version and are made again (1.7 of each certificate), which depend on how far the caches lag.
    assert!((334..=500).contains(&took), "{took} s is not within 20 % of 417 s");
}
