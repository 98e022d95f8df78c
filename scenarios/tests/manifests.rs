//! Which manifests a scenario takes: what its release serves, older versions on demand, and mistakes when it is told to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use crate::common::live::{self, live};
use crate::common::load;
use crate::common::v1alpha1::{CERTIFICATE, ISSUER};
use engine::api::convert::acme_config;
use engine::api::{Certificate, Issuer};
use reports::Outcome;
use scenarios::{runner, script};

/// A scratch folder with a script of some release, and manifests of the oldest version.
fn folder(name: &str, script: &str, issuer: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("manifests-{name}"));
    std::fs::create_dir_all(folder.join("manifests")).unwrap();
    let head = "title: t\nsource: s\ncause: c\nclock: {start: 2022-02-03T09:00:00Z}\nuntil: 2022-02-03T09:01:00Z\nhosts: {cert-manager: [10.42.0.5]}\n";
    std::fs::write(folder.join("scenario.yaml"), format!("{head}{script}\n")).unwrap();
    std::fs::write(folder.join("manifests/a.yaml"), issuer).unwrap();
    std::fs::write(folder.join("manifests/b.yaml"), CERTIFICATE).unwrap();
    folder
}

fn solvers(loaded: &script::Loaded) -> usize {
    loaded.objects[0].get::<Issuer>().unwrap().spec.acme.as_ref().unwrap().solvers.len()
}

#[test]
fn a_release_refuses_manifests_that_it_does_not_serve() {
    let folder = folder("refused", "engine: {compat: v1_7}", ISSUER);
    let error = script::load(&folder, None, false).unwrap_err();
    assert_eq!(error.to_string(), r#"no matches for kind "Issuer" in version "certmanager.k8s.io/v1alpha1""#);
}

#[test]
fn a_release_of_its_time_takes_them_as_they_are() {
    let folder = folder("served", "engine: {compat: v0_5}", ISSUER);
    let loaded = script::load(&folder, None, false).unwrap();
    // Its controller reads the configuration of the domains itself.
    assert_eq!(solvers(&loaded), 1);
    assert_eq!(acme_config(loaded.objects[1].meta()).unwrap().config[0].domains.len(), 2);
}

#[test]
fn mistakes_are_mended_when_the_script_or_the_command_says_so() {
    let wrong = ISSUER.replace("server:", "srver:");
    let folder = folder("lenient", "engine: {compat: v1_7}", &wrong);
    let loaded = script::load(&folder, None, true).unwrap();
    let told: Vec<&str> =
        loaded.repairs.iter().map(|repair| repair.rsplit('/').next().unwrap_or_default()).collect();
    assert!(told.contains(&"a.yaml:6:5: `srver` is read as `server`"), "{told:?}");
    assert_eq!(solvers(&loaded), 2);
    let folder = self::folder("lenient-script", "engine: {compat: v1_7}\nmanifests: {lenient: true}", &wrong);
    assert_eq!(script::load(&folder, None, false).unwrap().objects, loaded.objects);
}

/// The first issuance with an issuer and a Certificate of 2018, under a release of 2022.
#[test]
fn a_certificate_of_the_oldest_version_is_issued_by_a_controller_of_v1() {
    let folder = folder("issued", "engine: {compat: v1_7}\nmanifests: {convert: true}", ISSUER);
    let old = script::load(&folder, None, false).unwrap();
    let mut loaded = load("first-issuance");
    loaded.expected_log = None;
    loaded.objects.retain(|object| object.get::<Issuer>().is_none() && object.get::<Certificate>().is_none());
    loaded.objects.extend(old.objects);
    loaded.scenario.expect.objects.retain(|object, _| object.starts_with("Certificate "));
    let record = runner::run(&loaded, 0, &[]).unwrap();
    assert_eq!(record.outcome, Outcome::Passed);
    assert_eq!(record.counts.certificates, 1);
}

/// What 0.10 read in annotations of its group, releases of v1 read in those of theirs only; the old ones stay where they are.
#[test]
fn annotations_of_the_oldest_group_are_kept_and_mean_nothing_today() {
    let annotated =
        ISSUER.replace("namespace: shop}", "namespace: shop, annotations: {certmanager.k8s.io/x: kept}}");
    let folder = folder("annotated", "engine: {compat: v1_7}\nmanifests: {convert: true}", &annotated);
    assert_eq!(
        script::load(&folder, None, false).unwrap().objects[0].meta().annotations["certmanager.k8s.io/x"],
        "kept"
    );
    let ingress = |name: &str, group: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: shop, annotations: \
             {{ {group}/issuer: letsencrypt }} }}\nspec:\n  tls: [{{ hosts: [{name}.example.com], secretName: {name}-tls }}]\n  rules: [{{ host: {name}.example.com }}]\n"
        )
    };
    let old = ingress("old", "certmanager.k8s.io") + &ingress("new", "cert-manager.io");
    for compat in ["v1_7", "v1_21"] {
        live(live::script(compat), &old, |live| async move {
            live.after(Duration::from_secs(10)).await;
            let made: Vec<_> = live.all::<Certificate>().into_iter().map(|c| c.metadata.name).collect();
            assert_eq!(made, ["new-tls"]);
        });
    }
}
