//! `rehearse issue` as a user meets it: the program, on loopback, against mock-ca and mock-dns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use engine::api::{AcmeChallengeType, Challenge};
use engine::host::{ListenConfig, Listeners, Responder as _};

use crate::issue_bed::{Bed, DNS_SOLVER, ISSUER, certificate, lines, mode, run_with, said, told};
use mock_ca::policy::{DnsName, Identifier};
use mock_dns::RecordType;
use serde_json::Value;
use world::keys::{SectionKind, pem_sections};
use world::tls::Connector;

/// Requests to a resource of the CA.
fn requests(bed: &Bed, endpoint: &str) -> u64 {
    let counters = serde_json::to_value(&bed.ca.journal().counters().endpoints).unwrap();
    counters.get(endpoint).and_then(Value::as_u64).unwrap_or_default()
}

fn all_requests(bed: &Bed) -> u64 {
    bed.ca.journal().counters().endpoints.values().sum()
}

#[test]
fn http_01_gives_a_secret_as_files_and_a_second_run_asks_the_ca_nothing() {
    run_with(
        "http01",
        |_| {},
        |bed| {
            bed.manifest(&format!(
                "{ISSUER}{}",
                certificate("www", &["www.example.test", "shop.example.test"])
            ));
            // With the self-check: where the CA looks.
            let done = bed.issue(&["--http01-port", &bed.http.to_string()]);
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            let out = String::from_utf8(done.stdout).unwrap();
            let secret = bed.out("www-tls");
            assert!(out.starts_with(&format!("default/www\t{}\tuntil 20", secret.display())), "{out}");
            let [chain, key] = ["tls.crt", "tls.key"].map(|name| std::fs::read(secret.join(name)).unwrap());
            // They are a pair.
            world::tls::Identity::from_pem(&bed.world, &chain, &key).unwrap();
            let sections = |pem: &[u8]| pem_sections(pem, SectionKind::Certificate);
            let served = bed.ca.chain_pem(&bed.ca.issued()[0], 0).unwrap();
            assert_eq!(sections(&chain), sections(served.as_bytes()));
            for (path, wanted) in [
                (secret.clone(), 0o700),
                (secret.join("tls.key"), 0o600),
                (secret.join("tls.crt"), 0o600),
                (bed.out(".rehearse"), 0o700),
                (bed.out(".rehearse/store.redb"), 0o600),
            ] {
                assert_eq!(mode(&path), wanted, "{}", path.display());
            }
            assert_eq!(std::fs::read_dir(&secret).unwrap().count(), 2, "no file but the entries");
            let (before, written) =
                (all_requests(bed), std::fs::metadata(secret.join("tls.crt")).unwrap().modified().unwrap());
            // Nothing to do; the listener's port is of no concern.
            let taken = bed.take_port(bed.http);
            let again = bed.issue(&[]);
            assert_eq!((again.status.code(), String::from_utf8(again.stdout).unwrap()), (Some(0), out));
            assert_eq!(all_requests(bed), before);
            assert_eq!(std::fs::metadata(secret.join("tls.crt")).unwrap().modified().unwrap(), written);
            // What was deleted is written again.
            std::fs::remove_dir_all(&secret).unwrap();
            assert_eq!(bed.issue(&[]).status.code(), Some(0));
            assert_eq!((std::fs::read(secret.join("tls.key")).unwrap(), all_requests(bed)), (key, before));
            // Another name in the manifest is another issuance.
            bed.dns.set("api.example.test", RecordType::A, 60, &["127.0.0.1"]).unwrap();
            drop(taken);
            bed.manifest(&format!(
                "{ISSUER}{}",
                certificate("www", &["www.example.test", "api.example.test"])
            ));
            let more = bed.issue(&["--no-self-check"]);
            assert_eq!(more.status.code(), Some(0), "{}", said(&more));
            assert_eq!(bed.ca.issued().len(), 2);
            // On a busy machine the Order's own URL may reach the cache late, and then it is asked for once more.
            assert!((2..=3).contains(&requests(bed, "newOrder")));
            assert_ne!(std::fs::read(secret.join("tls.crt")).unwrap(), chain);
        },
    );
}

#[test]
fn dns_01_is_solved_by_the_hook_apex_and_wildcard_one_after_the_other() {
    run_with(
        "dns01",
        |_| {},
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("all", &["example.test", "*.example.test"])));
            let hook = bed.hook(|_| ());
            // With the self-check of the engine; no zone here has nameservers at port 53.
            let check = ["--dns01-recursive-nameservers-only", "--dns01-settle", "1ms"];
            let done = bed.issue(&[&["--dns01-hook", &hook.command][..], &check].concat());
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            let calls = hook.calls();
            let actions: Vec<&str> = calls.iter().map(|call| call.split(' ').next().unwrap()).collect();
            assert_eq!(actions, ["present", "cleanup", "present", "cleanup"], "{calls:?}");
            assert!(
                calls.iter().all(|call| call.split(' ').nth(1) == Some("_acme-challenge.example.test.")),
                "{calls:?}"
            );
            // What was put up is what was taken down.
            assert_eq!(calls[0].strip_prefix("present"), calls[1].strip_prefix("cleanup"));
            assert_ne!(calls[0], calls[2]);
            assert_eq!(bed.dns.values("_acme-challenge.example.test", RecordType::TXT).unwrap(), [""; 0]);
            assert!(bed.out("all-tls/tls.crt").exists());
        },
    );
}

/// The engine's own check: a hook that says it is done too early is found out.
#[test]
fn dns_01_waits_until_the_nameservers_have_the_record() {
    run_with(
        "dns01-early",
        |_| {},
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("all", &["*.example.test"])));
            let flags = ["--dns01-hook", "true", "--dns01-recursive-nameservers-only", "--verbose"];
            let mut child = bed.spawn(&flags);
            let why = lines(&mut child).find(|line| line.contains("not yet propagated"));
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(why.unwrap().contains("example.test"));
            assert_eq!(requests(bed, "challenge"), 0, "the CA is not asked to look");
        },
    );
}

#[test]
fn tls_alpn_01_is_answered_by_the_program_where_the_ca_connects() {
    run_with(
        "tls-alpn01",
        |_| {},
        |bed| {
            let issuer = ISSUER.replace("http01: {ingress: {class: nginx}}", "tlsALPN01: {ingress: {}}");
            bed.manifest(&format!("{issuer}{}", certificate("www", &["www.example.test"])));
            let taken = bed.take_port(bed.tls);
            let refused = bed.issue(&[]);
            let report = told(&refused);
            assert_eq!(refused.status.code(), Some(2), "{report}");
            for expected in [
                &format!("cannot listen on 127.0.0.1:{} for TLS-ALPN-01", bed.tls),
                "acme-tls/1 through to an address that --tlsalpn01-listen names",
            ] {
                assert!(report.contains(expected), "{expected:?} is missing in\n{report}");
            }
            drop(taken);
            // Nothing listens for HTTP-01: somebody else may have its port.
            let _http = bed.take_port(bed.http);
            let done = bed.issue(&["--tlsalpn01-port", &bed.tls.to_string()]);
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            assert_eq!(bed.ca.issued().len(), 1);
            assert!(bed.out("www-tls/tls.crt").exists());
        },
    );
}

#[test]
fn mistakes_are_mended_on_demand_and_told() {
    run_with(
        "lenient",
        |config| config.always_valid = true,
        |bed| {
            let issuer = ISSUER.replace("server: ", "srver: ");
            bed.manifest(&format!("{issuer}{}", certificate("www", &["www.example.test"])));
            let strict = bed.issue(&["--no-self-check"]);
            assert_eq!(strict.status.code(), Some(2), "{}", said(&strict));
            let lenient = bed.issue(&["--no-self-check", "--lenient"]);
            let report = said(&lenient);
            assert_eq!(lenient.status.code(), Some(0), "{report}");
            assert!(report.contains("manifest.yaml:8:5: `srver` is read as `server`"), "{report}");
            assert!(bed.out("www-tls/tls.crt").exists());
        },
    );
}

#[test]
fn killed_in_the_hook_it_goes_on_with_the_same_account_and_order() {
    run_with(
        "killed",
        |_| {},
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("all", &["*.example.test"])));
            let (asked, heard) = std::sync::mpsc::channel();
            let hook = bed.hook(move |call| asked.send(call.to_owned()).unwrap_or(()));
            let mut child = bed.spawn(&["--dns01-hook", &hook.command, "--no-self-check"]);
            let first = heard.recv().unwrap();
            assert!(first.starts_with("present "), "{first}");
            // SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
            let done = bed.issue(&["--dns01-hook", &hook.command, "--no-self-check"]);
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            assert_eq!(requests(bed, "newOrder"), 1);
            assert_eq!(bed.accounts().len(), 1);
            assert_eq!(bed.ca.issued().len(), 1);
        },
    );
}

#[test]
fn killed_at_any_line_it_ends_well_when_it_is_run_again() {
    run_with(
        "any-line",
        |config| config.always_valid = true,
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("www", &["www.example.test"])));
            let mut accounts = 0;
            for line in [1, 3, 5, 7, 9] {
                let mut child = bed.spawn(&["--no-self-check"]);
                let seen: Vec<String> = lines(&mut child).take(line).collect();
                child.kill().unwrap();
                child.wait().unwrap();
                let done = bed.issue(&["--no-self-check"]);
                assert_eq!(done.status.code(), Some(0), "killed after {seen:?}:\n{}", said(&done));
                let secret = bed.out("www-tls");
                let [chain, key] =
                    ["tls.crt", "tls.key"].map(|name| std::fs::read(secret.join(name)).unwrap());
                world::tls::Identity::from_pem(&bed.world, &chain, &key).unwrap();
                accounts += 1;
                assert_eq!(bed.accounts().len(), accounts, "one account for each store, after {seen:?}");
                std::fs::remove_dir_all(bed.out("")).unwrap();
            }
        },
    );
}

#[test]
fn a_ca_that_refuses_is_told_with_its_reason_and_the_next_run_tries_at_once() {
    run_with(
        "refused",
        |_| {},
        |bed| {
            // The CA finds another machine.
            bed.dns.set("www.example.test", RecordType::A, 60, &["127.0.0.2"]).unwrap();
            bed.manifest(&format!("{ISSUER}{}", certificate("www", &["www.example.test"])));
            let failed = bed.issue(&["--no-self-check"]);
            let report = said(&failed);
            assert_eq!(failed.status.code(), Some(1), "{report}");
            assert!(failed.stdout.is_empty());
            for expected in [
                "Certificate default/www has failed:",
                "The certificate request has failed to complete and will be retried",
                "HTTP-01 for www.example.test: Error accepting authorization: acme: authorization error for www.example.test",
                "127.0.0.2",
            ] {
                assert!(report.contains(expected), "{expected:?} is missing in\n{report}");
            }
            assert!(!bed.out("www-tls").exists());
            bed.dns.set("www.example.test", RecordType::A, 60, &["127.0.0.1"]).unwrap();
            let mended = bed.issue(&["--no-self-check"]);
            assert_eq!(mended.status.code(), Some(0), "{}", said(&mended));
            assert_eq!(bed.accounts().len(), 1);
        },
    );
}

#[test]
fn a_certificate_that_does_not_come_in_time_is_explained() {
    run_with(
        "late",
        |_| {},
        |bed| {
            // Nobody answers there.
            let issuer = ISSUER.replace("DIRECTORY", "https://127.0.0.1:1/dir");
            bed.manifest(&format!("{issuer}{}", certificate("www", &["www.example.test"])));
            let late = bed.issue(&["--timeout", "2s"]);
            let report = said(&late);
            assert_eq!(late.status.code(), Some(1), "{report}");
            assert!(report.contains("Certificate default/www is not Ready after 2."), "{report}");
            assert!(report.contains("Issuer default/ca: Failed to register ACME account"), "{report}");
            assert!(report.contains("connection refused"), "{report}");
            // A solver that fits nothing is known at once.
            bed.manifest(&format!(
                "{}{}",
                ISSUER.replace(DNS_SOLVER, ""),
                certificate("any", &["*.example.test"])
            ));
            let stuck = bed.issue(&[]);
            assert_eq!(stuck.status.code(), Some(1));
            assert!(
                said(&stuck).contains("no configured challenge solvers can be used for this challenge"),
                "{}",
                said(&stuck)
            );
        },
    );
}

#[test]
fn bad_input_is_said_before_anything_is_done() {
    run_with(
        "bad",
        |_| {},
        |bed| {
            let www = certificate("www", &["www.example.test"]);
            let clash =
                format!("{ISSUER}{www}{}", www.replace("name: www\n", "name: www\n  namespace: other\n"));
            let clash = clash + &ISSUER.replace("name: ca\n", "name: ca\n  namespace: other\n");
            let missing = www.replace("name: ca", "name: cb");
            for (manifest, flags, says) in [
                (
                    www.replace("secretName", "secretNam"),
                    &[][..],
                    &["unknown field \"spec.secretNam\"", "manifest.yaml:"][..],
                ),
                (ISSUER.to_owned(), &[], &["the manifests ask for no certificate"]),
                (
                    format!("{ISSUER}{missing}"),
                    &[],
                    &["wants Issuer \"cb\", which is not in the manifests", "Issuer default/ca"],
                ),
                (
                    clash,
                    &[],
                    &[
                        "Secrets default/www-tls and other/www-tls would be written to one folder",
                        "--by-namespace",
                    ],
                ),
                (format!("{ISSUER}{www}{www}"), &[], &["Certificate default/www is given twice"]),
                (
                    format!("{ISSUER}{www}"),
                    &["--compat", "v1_8"],
                    &["there is no release \"v1_8\"", "v1_7, v1_16"],
                ),
                (format!("{ISSUER}{www}"), &["--timeout", "soon"], &["time: invalid duration"]),
                (format!("{ISSUER}{www}"), &["--http01-listen", "here"], &["--http01-listen"]),
                (format!("{ISSUER}{www}"), &["-f", "/nowhere"], &["cannot read /nowhere"]),
            ] {
                bed.manifest(&manifest);
                let output = bed.issue(flags);
                let report = told(&output);
                assert_eq!(output.status.code(), Some(2), "{report}");
                for expected in says {
                    assert!(report.contains(expected), "{expected:?} is missing in\n{report}");
                }
            }
            assert_eq!(all_requests(bed), 0);
            assert!(!bed.out("www-tls").exists());
            let roots = bed.folder.join("roots.pem");
            std::fs::write(&roots, "no certificate").unwrap();
            bed.manifest(&format!("{ISSUER}{www}"));
            let output = bed.command(&[]).args(["--acme-ca", roots.to_str().unwrap()]).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        },
    );
}

#[test]
fn a_port_in_use_is_said_with_what_to_do() {
    run_with(
        "port",
        |_| {},
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("www", &["www.example.test"])));
            let _taken = bed.take_port(bed.http);
            let output = bed.issue(&[]);
            let report = told(&output);
            assert_eq!(output.status.code(), Some(2), "{report}");
            assert!(
                report.contains(&format!("cannot listen on 127.0.0.1:{} for HTTP-01", bed.http)),
                "{report}"
            );
            assert!(report.contains("another program has this port"), "{report}");
            assert_eq!(all_requests(bed), 0);
        },
    );
}

#[test]
fn a_store_is_for_one_process_and_a_foreign_file_is_left_alone() {
    run_with(
        "store",
        |_| {},
        |bed| {
            bed.manifest(&format!("{ISSUER}{}", certificate("all", &["*.example.test"])));
            let (asked, heard) = std::sync::mpsc::channel();
            let hook = bed.hook(move |_| asked.send(()).unwrap_or(()));
            let mut child = bed.spawn(&["--dns01-hook", &hook.command, "--no-self-check"]);
            heard.recv().unwrap();
            let second = bed.issue(&[]);
            assert_eq!(second.status.code(), Some(2));
            assert!(told(&second).contains("another process uses this store"), "{}", said(&second));
            assert!(child.wait().unwrap().success(), "the first one is not disturbed");
            let store = bed.folder.join("foreign");
            std::fs::create_dir_all(&store).unwrap();
            std::fs::write(store.join("store.redb"), "somebody's notes").unwrap();
            let foreign = bed.issue(&["--store", store.to_str().unwrap()]);
            assert_eq!(foreign.status.code(), Some(2));
            assert!(told(&foreign).contains("this is no store of Rehearse"), "{}", said(&foreign));
            assert_eq!(std::fs::read(store.join("store.redb")).unwrap(), b"somebody's notes");
        },
    );
}

#[test]
fn watching_renews_and_ends_when_it_is_told_to() {
    let short = |config: &mut mock_ca::Config| {
        config.always_valid = true;
        for profile in config.profiles.values_mut() {
            profile.validity = Some(std::time::Duration::from_secs(12));
        }
    };
    run_with("watch", short, |bed| {
        bed.manifest(&format!("{ISSUER}{}", certificate("www", &["www.example.test"])));
        let mut child = bed.spawn(&["--watch", "--no-self-check"]);
        let written = |line: &String| line.contains("Secret default/www-tls: written to");
        let mut said = lines(&mut child);
        said.find(written).unwrap();
        let first = std::fs::read(bed.out("www-tls/tls.crt")).unwrap();
        said.find(written).unwrap();
        assert_ne!(std::fs::read(bed.out("www-tls/tls.crt")).unwrap(), first);
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(bed.ca.issued().len() >= 2);
    });
}

#[test]
fn namespaces_have_folders_when_it_is_asked_for() {
    run_with(
        "namespaces",
        |config| config.always_valid = true,
        |bed| {
            let www = certificate("www", &["www.example.test"]);
            let other = |text: &str, name: &str| {
                text.replace(&format!("name: {name}\n"), &format!("name: {name}\n  namespace: other\n"))
            };
            bed.manifest(&format!("{ISSUER}{www}{}{}", other(ISSUER, "ca"), other(&www, "www")));
            let done = bed.issue(&["--by-namespace", "--no-self-check"]);
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            let keys =
                ["default", "other"].map(|ns| std::fs::read(bed.out(ns).join("www-tls/tls.key")).unwrap());
            assert_ne!(keys[0], keys[1]);
            assert!(Path::exists(&bed.out("other/www-tls/tls.crt")));
        },
    );
}

/// What the listener shows is what the CA's own look at a certificate asks for, to the letter (RFC 8737 section 3).
#[test]
fn tls_alpn_01_shows_what_the_ca_asks_for() {
    let run = |world: world::World| async move {
        let port = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap().local_addr();
        let config = ListenConfig { http01: port, tls_alpn01: port, dns01: None, self_check: None };
        let listeners = Listeners::new(&world, config);
        let mut challenge = Challenge::default();
        challenge.spec.type_ = AcmeChallengeType::TlsAlpn01;
        challenge.spec.key = "token.thumbprint".into();
        let client = Connector::unverified(&world).unwrap().with_alpn(&["acme-tls/1"]);
        for (name, asked) in
            [("www.example.test", "www.example.test"), ("127.0.0.1", "1.0.0.127.in-addr.arpa")]
        {
            challenge.spec.dns_name = name.into();
            listeners.present(&challenge).await.unwrap();
            let stream = client.dial(port, asked, Duration::from_secs(10)).await.unwrap();
            assert_eq!(stream.alpn(), Some(&b"acme-tls/1"[..]));
            let identifier = match name.parse() {
                Ok(ip) => Identifier::Ip(ip),
                Err(_) => Identifier::Dns(DnsName::unchecked(name)),
            };
            let digest = world::sha256(b"token.thumbprint");
            mock_ca::va::certificate::check(stream.peer_certificates()[0], &identifier, &digest, true)
                .unwrap();
        }
    };
    world::real::run(None, run).unwrap();
}
