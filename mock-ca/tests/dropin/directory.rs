//! Starting, the directory, and ending.

use serde_json::json;

use super::program::{Program, command, config, file, identity, text, with_client};

/// The sample's ports may be taken on this machine, so a start without any file is on others.
#[test]
fn it_starts_without_a_file() {
    let mut command = command();
    let program = Program::start(command.args(["-listen", "127.0.0.1:0", "-management", ""]));
    assert!(program.lines.contains(&"Management interface is disabled".to_owned()));
    assert!(program.told("Seed of all randomness: ").contains("repeats it"));
    let directory = with_client(|_, ask| async move { ask.json("GET", &program.directory(), "").await });
    let profiles: Vec<&String> = directory["meta"]["profiles"].as_object().unwrap().keys().collect();
    assert_eq!(profiles, ["default", "shortlived"]);
}

#[test]
fn the_directory_is_pebbles() {
    let program = Program::with(&config("directory.json", json!({ "caaIdentities": ["ca.test"] })), &[]);
    let base = program.directory().strip_suffix("/dir").unwrap().to_owned();
    let (reply, renewed) = with_client(|_, ask| async move {
        let reply = ask.get(&program.directory()).await;
        (reply, ask.get(&format!("{base}/nonce-plz")).await)
    });
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=0, no-cache"));
    assert!(reply.header("date").is_some() && reply.header("replay-nonce").is_none());
    let body = text(&reply);
    let port = body.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    insta::assert_snapshot!(body.replace(&port, "PORT"));
    assert_eq!(renewed.status, 204);
    assert!(renewed.header("replay-nonce").unwrap().len() == 22);
}

/// The key as PKCS#8 and as SEC1; the file's certificate is shown, and neither is of the program's making.
#[test]
fn it_shows_the_certificate_of_its_configuration() {
    let (certificate, key) = identity();
    let certificate_path = file("web.pem", &certificate);
    for (name, pem) in [("pkcs8", key.to_pkcs8_pem()), ("sec1", key.to_traditional_pem())] {
        let key_path = file(&format!("{name}.pem"), &pem);
        let more = json!({ "certificate": certificate_path, "privateKey": key_path });
        let roots = file(&format!("{name}-roots.pem"), "");
        let mut command = command();
        command.arg("-config").arg(config(&format!("{name}.json"), more)).arg("-root-out").arg(&roots);
        let program = Program::start(&mut command);
        let (_, root) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap();
        let port = program.told("Listening on: 127.0.0.1:").parse().unwrap();
        let alpn = world::real::run(None, |world| async move {
            let tls =
                world::tls::Connector::new(&world, &[root.contents]).unwrap().with_alpn(&["h2", "http/1.1"]);
            let stream = world.connect(std::net::SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
            let stream = tls.connect("localhost", stream).await.unwrap();
            stream.alpn().map(<[u8]>::to_vec)
        });
        assert_eq!(alpn.unwrap().as_deref(), Some(&b"h2"[..]), "{name}");
        let written = std::fs::read_to_string(roots).unwrap();
        assert_eq!(written.matches("BEGIN CERTIFICATE").count(), 1, "the root of issued certificates only");
    }
}

#[test]
fn it_listens_on_ipv6() {
    let program = Program::with(&config("v6.json", json!({ "listenAddress": "[::1]:0" })), &[]);
    let status = with_client(|_, ask| async move { ask.get(&program.directory()).await.status });
    assert_eq!(status, 200);
}

#[test]
fn signals_end_it() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::with(&config("signals.json", json!({})), &[]);
        assert_eq!(program.end(signal), Some(0));
    }
}

#[test]
fn a_seed_repeats_keys() {
    let root = |name: &str, seed: &str| {
        let path = file(name, "");
        let mut command = command();
        command.args(["-listen", "127.0.0.1:0", "-management", "", "-seed", seed, "-root-out"]).arg(&path);
        drop(Program::start(&mut command));
        let text = std::fs::read_to_string(path).unwrap();
        // The certificate is signed by chance and at its time; its key is not.
        let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap();
        pem.parse_x509().unwrap().public_key().raw.to_vec()
    };
    assert_eq!(root("seed-1.pem", "7"), root("seed-2.pem", "7"));
    assert_ne!(root("seed-3.pem", "7"), root("seed-4.pem", "8"));
}

#[test]
fn settings_count_before_the_environment_and_flags_before_settings() {
    let settings =
        file("settings.json", r#"{"randomness": {"nonceRejectPercent": 100}, "caaIdentities": ["s.test"]}"#);
    let path = config("settings-base.json", json!({ "caaIdentities": ["f.test"] }));
    let mut command = command();
    command.env("PEBBLE_WFE_NONCEREJECT", "0").arg("-config").arg(path).arg("-settings").arg(settings);
    let program = Program::start(command.arg("-strict"));
    let directory = with_client(|_, ask| async move { ask.json("GET", &program.directory(), "").await });
    assert_eq!(directory["meta"]["caaIdentities"], json!(["s.test"]));
}
