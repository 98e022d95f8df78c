//! Publishes one TXT record by a signed dynamic update, or takes it away, with the engine's own provider on real
//! sockets: what `scripts/real-bind` runs against BIND.
//!
//! ```text
//! TSIG_SECRET=BASE64 rfc2136 present|cleanup NAMESERVER UDP|TCP KEY ALGORITHM ZONE NAME VALUE
//! ```

use std::io::Write as _;
use std::process::ExitCode;

use engine::api::{Dns01Rfc2136, Rfc2136Protocol};
use engine::dns01::{Provider as _, Rfc2136, TxtRecord};
use world::resolver::Resolver;

async fn act(world: world::World, arguments: Vec<String>, secret: String) -> Result<(), String> {
    let usage = "expected: present|cleanup NAMESERVER UDP|TCP KEY ALGORITHM ZONE NAME VALUE";
    let [action, nameserver, protocol, key, algorithm, zone, fqdn, value] =
        <[String; 8]>::try_from(arguments).map_err(|_| usage.to_owned())?;
    let protocol = if protocol == "TCP" { Rfc2136Protocol::Tcp } else { Rfc2136Protocol::Udp };
    let config = Dns01Rfc2136 {
        nameserver,
        tsig_key_name: key,
        tsig_algorithm: algorithm,
        protocol: Some(protocol),
        ..Dns01Rfc2136::default()
    };
    let resolver = Resolver::new(&world, Vec::new());
    let provider = Rfc2136::new(&world, &resolver, &config, &secret).map_err(|e| e.to_string())?;
    let record = TxtRecord { dns_name: String::new(), fqdn, zone, value };
    let done = match action.as_str() {
        "present" => provider.present(&record).await,
        "cleanup" => provider.clean_up(&record).await,
        _ => return Err(usage.to_owned()),
    };
    done.map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let secret = std::env::var("TSIG_SECRET").unwrap_or_default();
    let done = world::real::run(None, |world| act(world, arguments, secret));
    let error = match done {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    // Whoever reads it may have gone.
    let _ = writeln!(std::io::stderr().lock(), "rfc2136: {error}");
    ExitCode::FAILURE
}
