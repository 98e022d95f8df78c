//! Zone files (RFC 1035 section 5): `$ORIGIN`, `$TTL` (RFC 2308), records. `$INCLUDE` is refused: what a
//! server serves is in the text that it was given.

use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use super::Records;
use crate::error::ZoneError;
use crate::rdata::{Entries, Names, Token, expected, from_tokens, name, owner, record_type, ttl, zone_text};

/// A record as a zone file has it.
struct Line {
    line: usize,
    owner: Name,
    ttl: Option<u32>,
    data: RData,
}

/// What earlier entries say about later ones.
struct Reader {
    origin: Option<Name>,
    owner: Option<Name>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
}

fn bad(line: usize, message: impl std::fmt::Display) -> ZoneError {
    ZoneError::BadZoneFile(format!("line {line}: {message}"))
}

/// The records of a zone file. Relative names are relative to `origin` until the text says otherwise; the
/// zone is the one that the start of authority names.
pub(crate) fn read(text: &str, origin: Option<Name>) -> Result<Records, ZoneError> {
    let mut reader = Reader { origin, owner: None, default_ttl: None, last_ttl: None };
    let mut entries = Entries::new(text);
    let mut lines = Vec::new();
    while let Some(entry) = entries.next().map_err(|e| bad(e.line, e.message))? {
        if let Some(line) = reader.entry(entry.line, entry.indented, &entry.tokens)? {
            lines.push(line);
        }
    }
    let mut starts = lines.iter().filter(|line| line.data.record_type() == RecordType::SOA);
    let Some(start) = starts.next() else {
        return Err(ZoneError::BadZoneFile("expected an SOA record, found none".to_owned()));
    };
    if let Some(second) = starts.next() {
        return Err(bad(
            second.line,
            format!("expected one SOA record, the first is in line {}", start.line),
        ));
    }
    let apex = start.owner.clone();
    let minimum = match &start.data {
        RData::SOA(soa) => soa.minimum,
        _ => 0,
    };
    let mut records = Records::new(LowerName::new(&apex));
    for Line { line, owner: owned_by, ttl, data } in lines {
        let kind = data.record_type();
        let name = owner(&apex, &owned_by.to_ascii(), kind).map_err(|e| bad(line, e))?;
        records.add(&name, ttl.unwrap_or(minimum), data).map_err(|e| bad(line, e))?;
    }
    Ok(records)
}

impl Reader {
    fn entry(&mut self, line: usize, indented: bool, tokens: &[Token]) -> Result<Option<Line>, ZoneError> {
        let (first, rest) = match tokens.split_first() {
            Some((first, rest)) => (first, rest),
            None => return Ok(None),
        };
        if !indented && !first.quoted && first.text.starts_with('$') {
            return self.directive(line, &first.text, rest).map(|()| None);
        }
        let rest = if indented {
            tokens
        } else {
            let owner = name(&first.text, self.origin.as_ref()).filter(|_| !first.quoted);
            let expected = match &self.origin {
                Some(_) => "a domain name",
                None => "a full domain name, as there is no $ORIGIN",
            };
            self.owner =
                Some(owner.ok_or_else(|| bad(line, format!("expected {expected}, found {:?}", first.text)))?);
            rest
        };
        let owner = self.owner.clone().ok_or_else(|| bad(line, "expected the name of the first record"))?;
        let (ttl, kind, value) = self.fields(line, rest)?;
        let root = Name::root();
        let names = Names::Relative(self.origin.as_ref().unwrap_or(&root));
        let data = from_tokens(kind, value, &names).ok_or_else(|| {
            let found: Vec<&str> = value.iter().map(|t| t.text.as_str()).collect();
            let expected = match kind {
                RecordType::SOA => "primary, mailbox, serial, refresh, retry, expire and minimum",
                kind => expected(kind),
            };
            let owner = zone_text(&owner);
            bad(line, format!("record {owner} {kind}: expected {expected}, found {:?}", found.join(" ")))
        })?;
        Ok(Some(Line { line, owner, ttl, data }))
    }

    fn directive(&mut self, line: usize, directive: &str, rest: &[Token]) -> Result<(), ZoneError> {
        let one = || match rest {
            [one] => Ok(one.text.as_str()),
            _ => Err(bad(line, format!("expected one value after {directive}, found {}", rest.len()))),
        };
        match directive.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let text = one()?;
                let origin = name(text, self.origin.as_ref().or(Some(&Name::root())));
                self.origin =
                    Some(origin.ok_or_else(|| bad(line, format!("expected a domain name, found {text:?}")))?);
            }
            "$TTL" => {
                let text = one()?;
                let seconds = ttl(text);
                self.default_ttl =
                    Some(seconds.ok_or_else(|| bad(line, format!("expected seconds, found {text:?}")))?);
            }
            "$INCLUDE" => return Err(bad(line, "expected no $INCLUDE: a zone is one text")),
            _ => return Err(bad(line, format!("expected $ORIGIN or $TTL, found {directive:?}"))),
        }
        Ok(())
    }

    /// `[TTL] [class] type value`, TTL and class in either order. A record without a TTL has the one of
    /// `$TTL`, or the last one (RFC 1035), or else the minimum of the start of authority.
    fn fields<'t>(
        &mut self,
        line: usize,
        tokens: &'t [Token],
    ) -> Result<(Option<u32>, RecordType, &'t [Token]), ZoneError> {
        let mut own_ttl = None;
        let mut class = false;
        let mut rest = tokens;
        while let Some((token, after)) = rest.split_first() {
            let text = token.text.as_str();
            if own_ttl.is_none() && text.starts_with(|c: char| c.is_ascii_digit()) && !token.quoted {
                let seconds =
                    ttl(text).ok_or_else(|| bad(line, format!("expected a TTL, found {text:?}")))?;
                own_ttl = Some(seconds);
            } else if !class && text.eq_ignore_ascii_case("IN") {
                class = true;
            } else if ["CH", "HS", "CS"].iter().any(|c| text.eq_ignore_ascii_case(c)) {
                return Err(bad(line, format!("expected the class IN, found {text}")));
            } else {
                let kind = record_type(text).filter(|_| !token.quoted);
                let kind =
                    kind.ok_or_else(|| bad(line, format!("expected a record type, found {text:?}")))?;
                self.last_ttl = own_ttl.or(self.last_ttl);
                return Ok((own_ttl.or(self.default_ttl).or(self.last_ttl), kind, after));
            }
            rest = after;
        }
        Err(bad(line, "expected a record type, found the end of the line"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdata::full_name;

    fn refused(text: &str) -> String {
        read(text, full_name("a.test")).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_a_record() {
        let text = "
$ORIGIN example.test.
$TTL 1h
@ IN SOA ns1 hostmaster.other.test. ( 2022050700 ; serial
    2h 1h 14d 1m )
  IN NS ns1
  NS ns2.other.test.
ns1 60 A 10.0.0.53
    IN 120 AAAA fd00::53
$ORIGIN sub
w\\.x TXT ( \"one ; two\" three
   \"\" )
* A 10.0.0.1
$ORIGIN .
mx.example.test MX 10 @
caa.example.test CAA 128 issue \"ca.test; validationmethods=dns-01\"
ds.example.test DS \\# 4 01020304";
        let records = read(text, None).unwrap();
        let again = read(&records.to_zone_file(), None).unwrap();
        assert_eq!(records, again, "{}", records.to_zone_file());
        let lines: Vec<String> = records.to_zone_file().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "example.test. 3600 IN SOA ns1.example.test. hostmaster.other.test. 2022050700 7200 3600 1209600 60",
                "example.test. 3600 IN NS ns1.example.test.",
                "example.test. 3600 IN NS ns2.other.test.",
                "caa.example.test. 3600 IN CAA 128 issue \"ca.test; validationmethods=dns-01\"",
                "ds.example.test. 3600 IN DS \\# 4 01020304",
                "mx.example.test. 3600 IN MX 10 .",
                "ns1.example.test. 60 IN A 10.0.0.53",
                "ns1.example.test. 120 IN AAAA fd00::53",
                "*.sub.example.test. 3600 IN A 10.0.0.1",
                "w\\.x.sub.example.test. 3600 IN TXT \"one ; two\" \"three\" \"\"",
            ]
        );
    }

    #[test]
    fn without_ttl_the_last_one_counts_and_else_the_minimum() {
        let text = "@ SOA ns1 h 1 1 1 1 77\nw A 10.0.0.1\nx 5 A 10.0.0.1\ny A 10.0.0.1\n";
        let records = read(text, full_name("a.test")).unwrap();
        let ttls: Vec<u32> = records.sets().filter(|s| s.kind == RecordType::A).map(|s| s.ttl).collect();
        assert_eq!(ttls, [77, 5, 5]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let soa = "@ 60 IN SOA ns1 h 1 1 1 1 1\n";
        let texts = [
            refused("www 60 IN A 10.0.0\n"),
            refused("\n\nwww 60 IN A ( 10.0.0.1\n"),
            refused("www 60 IN\n"),
            refused("www 60 CH A 10.0.0.1\n"),
            refused("www 1x A 10.0.0.1\n"),
            refused("  60 A 10.0.0.1\n"),
            refused("a..b 60 A 10.0.0.1\n"),
            refused("$INCLUDE /etc/passwd\n"),
            refused("$GENERATE 1-2 a A 10.0.0.1\n"),
            refused("$TTL\n"),
            refused("$ORIGIN a b\n"),
            refused("@ SOA ns1 h 1 1 1\n"),
            refused(&format!("{soa}{soa}")),
            refused(&format!("{soa}\nwww.b.test. 60 IN A 10.0.0.1\n")),
            refused(&format!("{soa}w CNAME x\nw A 10.0.0.1\n")),
            read("www A 10.0.0.1", None).unwrap_err().to_string(),
        ];
        let expected = [
            "line 1: record www.a.test A: expected an IPv4 address such as 10.0.0.80, found \"10.0.0\"",
            "line 4: expected `)` before the end of the text",
            "line 1: expected a record type, found the end of the line",
            "line 1: expected the class IN, found CH",
            "line 1: expected a TTL, found \"1x\"",
            "line 1: expected the name of the first record",
            "line 1: expected a domain name, found \"a..b\"",
            "line 1: expected no $INCLUDE: a zone is one text",
            "line 1: expected $ORIGIN or $TTL, found \"$GENERATE\"",
            "line 1: expected one value after $TTL, found 0",
            "line 1: expected one value after $ORIGIN, found 2",
            "line 1: record a.test SOA: expected primary, mailbox, serial, refresh, retry, expire and minimum, \
             found \"ns1 h 1 1 1\"",
            "line 2: expected one SOA record, the first is in line 1",
            "line 3: zone a.test, record \"www.b.test.\" A: expected a name within the zone, relative to it, or `@`",
            "line 3: zone a.test, record w.a.test A: expected a CNAME to be the only record of its name (RFC 1034)",
            "line 1: expected a full domain name, as there is no $ORIGIN, found \"www\"",
        ];
        assert_eq!(texts, expected.map(|text| format!("zone file: {text}")));
    }
}
