use engine::api::{CertificateStatus, Time};
use proptest::prelude::*;

use super::*;

#[test]
fn a_table_is_read_in_any_order_of_columns_with_empty_cells() {
    let text = "\u{feff}account, name ,issued,lifetime,renewBefore,names\r\n\
                7,shop,2027-01-31,90d,720h,\"shop.example.com www.example.com\"\r\n\
                \r\n\
                ,mail,,,,\r\n";
    let found = table(text).unwrap();
    let shop = Certificate {
        name: "shop".to_owned(),
        names: vec!["shop.example.com".to_owned(), "www.example.com".to_owned()],
        account: Some(7),
        issued: Some("2027-01-31T00:00:00Z".parse().unwrap()),
        lifetime: Some(Duration::from_secs(90 * 86_400)),
        renew_before: Some(Duration::from_secs(720 * 3600)),
        ..Certificate::default()
    };
    assert_eq!(found, [shop, Certificate { name: "mail".to_owned(), ..Certificate::default() }]);
}

#[test]
fn a_wrong_cell_is_one_error_with_its_line_and_column() {
    for (text, told) in [
        ("", "line 1, column 1: there is no header; its columns are name, names, issued, notAfter"),
        ("name,lifetme\n", "line 1, column 6: \"lifetme\" is no column; there are name, names, issued"),
        ("name,name\n", "line 1, column 6: \"name\" is a column already"),
        ("account\n1\n", "line 1, column 1: the column \"name\" is missing"),
        (
            "name,lifetime\na,90d\nb,90\n",
            "line 3, column 3: \"90\" is no duration such as 90d, 160h or 1h30m",
        ),
        ("name,lifetime\na,0s\n", "line 2, column 3: \"0s\" is no time at all"),
        (
            "name,issued\n\"a\nb\",soon\n",
            "line 3, column 4: \"soon\" is no time such as 2027-01-31T12:00:00Z, nor a day such as 2027-01-31",
        ),
        ("name,account\nä,x\n", "line 2, column 3: \"x\" is no number of an account, such as 1"),
        ("name,names\na,b.c *.d e..f\n", "line 2, column 3: \"e..f\" is no DNS name such as"),
        ("name,account\na,1\nb,1,2\n", "line 3, column 5: the row has 3 cells, and the header 2"),
        ("name,account\na\n", "line 2, column 1: the row has 1 cells, and the header 2"),
        ("name,account\n\n,1\n", "line 3, column 1: the certificate has no name"),
        ("name\na\nb\na\n", "line 4, column 1: \"a\" is on line 2 already"),
        ("name,renewBeforePercentage\na,100\n", "line 2, column 3: \"100\" is no whole number from 1 to 99"),
        (
            "name,issued,notAfter\na,2027-01-01,2027-02-01\n",
            "line 2, column 1: `issued` and `notAfter` exclude each other",
        ),
    ] {
        let error = table(text).unwrap_err();
        assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        assert!(text.is_char_boundary(error.offset));
    }
}

#[test]
fn a_list_has_a_certificate_on_each_line() {
    let found = list("# ours\nA.example.com b.example.com # two\n\n*.c.example.com\n10.0.0.1").unwrap();
    let names: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.names.len())).collect();
    assert_eq!(names, [("a.example.com", 2), ("*.c.example.com", 1), ("10.0.0.1", 1)]);
    let error = list("a.example.com\n  b.example.com, c.example.com\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
    assert_eq!(error.offset, 16);
}

#[test]
fn certificates_of_manifests_are_taken_over_and_their_issuers_are_accounts() {
    let certificate = |name: &str, issuer: &str, kind: &str, end: Option<&str>| {
        let mut certificate = api::Certificate::default();
        (certificate.metadata.namespace, certificate.metadata.name) = ("shop".into(), name.into());
        certificate.spec.dns_names = vec![format!("{name}.example.com")];
        certificate.spec.renew_before = Some(Duration::from_secs(86_400).into());
        (certificate.spec.issuer_ref.name, certificate.spec.issuer_ref.kind) = (issuer.into(), kind.into());
        let time = |at: Timestamp| Time::new(at);
        let end: Option<Timestamp> = end.map(|end| end.parse().unwrap());
        certificate.status = CertificateStatus {
            not_before: end.map(|end| time(end - Duration::from_secs(45 * 86_400 - 1))),
            not_after: end.map(time),
            ..CertificateStatus::default()
        };
        Object::from(certificate)
    };
    let imported = manifests(&[
        certificate("a", "le", "ClusterIssuer", None),
        certificate("b", "le", "", Some("2027-02-01T00:00:00Z")),
        certificate("c", "le", "ClusterIssuer", None),
    ]);
    assert_eq!(imported.issuers, ["ClusterIssuer le", "Issuer shop/le"]);
    let accounts: Vec<_> = imported.certificates.iter().map(|c| (c.name.as_str(), c.account)).collect();
    assert_eq!(accounts, [("shop/a", Some(1)), ("shop/b", Some(2)), ("shop/c", Some(1))]);
    let b = &imported.certificates[1];
    assert_eq!(b.lifetime, Some(Duration::from_secs(45 * 86_400)));
    assert_eq!((b.names.as_slice(), b.not_after.is_some()), (&["b.example.com".to_owned()][..], true));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(name|names|issued|lifetime|account|[a-z0-9\", \n#\u{feff}é.-]){0,60}") {
        for error in [table(&text).err(), list(&text).err()].into_iter().flatten() {
            prop_assert!(error.line >= 1 && error.column >= 1 && error.offset <= text.len());
        }
    }
}
