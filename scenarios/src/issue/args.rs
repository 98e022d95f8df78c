//! The command line of `rehearse issue`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use engine::api::GoDuration;
use world::net::parse_listen;

/// Where DNS is served unless it is said otherwise.
const DNS_PORT: u16 = 53;

/// Get the certificates that manifests ask for, outside of any cluster.
///
/// The manifests are those of a cluster: Certificates, the Issuers that they name, Secrets, annotated Ingresses. An
/// HTTP-01 solver is served by this process whatever its manifest says of ingresses. Each Secret becomes a folder
/// with a file for each of its entries.
///
/// All that is known is kept in the store: a run that was interrupted goes on where it was, one that finds every
/// Certificate Ready asks nothing of the CA, and one after a failure tries at once. Exit code: 0 every Certificate is
/// Ready, 1 one is not, 2 something is wrong with what was given.
#[derive(Args, Clone, Debug)]
pub struct IssueArgs {
    /// Manifests: files, or folders of .yaml and .yml files (repeatable).
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    pub filename: Vec<PathBuf>,
    /// Where Secrets are written: OUT/SECRET/tls.crt, tls.key and so on, mode 0600, each replaced in one step.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write OUT/NAMESPACE/SECRET instead: needed when two namespaces have a Secret of one name.
    #[arg(long)]
    pub by_namespace: bool,
    /// Where the account key, orders and Secrets are kept [default: OUT/.rehearse].
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// PEM roots to trust ACME servers by, in place of the system's.
    #[arg(long, value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
    /// Where to listen while there is an HTTP-01 challenge. The CA asks at port 80.
    #[arg(long, value_name = "ADDR", default_value = ":80", value_parser = listen)]
    pub http01_listen: SocketAddr,
    /// Where to listen while there is a TLS-ALPN-01 challenge. The CA asks at port 443.
    #[arg(long, value_name = "ADDR", default_value = ":443", value_parser = listen)]
    pub tlsalpn01_listen: SocketAddr,
    /// The port at which a test CA asks for HTTP-01 (Pebble: 5002): where the self-check looks.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub http01_port: u16,
    /// The port at which a test CA asks for TLS-ALPN-01 (Pebble: 5001): where the self-check looks.
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    pub tlsalpn01_port: u16,
    /// Solve DNS-01 by this command, whatever the manifests say. It is called as lego's: `CMD present FQDN VALUE`, and
    /// `CMD cleanup FQDN VALUE`; also REHEARSE_ACTION, _DOMAIN, _FQDN and _VALUE are set. It returns when the
    /// nameservers have the record, and may be called again for the same.
    #[arg(long, value_name = "CMD")]
    pub dns01_hook: Option<String>,
    /// The self-check of DNS-01 asks the nameservers of this process, and not those that the zone names.
    #[arg(long)]
    pub dns01_recursive_nameservers_only: bool,
    /// How long DNS-01 waits after the self-check has found the record [default: the release's, 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub dns01_settle: Option<Duration>,
    /// Let the CA look at once, without looking first (behind NAT the name may not lead here from here).
    #[arg(long)]
    pub no_self_check: bool,
    /// Nameservers to ask, in place of the system's (repeatable).
    #[arg(long, value_name = "ADDR", value_parser = nameserver)]
    pub nameserver: Vec<SocketAddr>,
    /// Stay, renew when it is time, and write what is renewed, until SIGINT or SIGTERM.
    #[arg(long)]
    pub watch: bool,
    /// How long to wait for the Certificates; without --watch only.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
    /// The release to behave as: v0_2, v0_5, v1_7, v1_16 or v1_21.
    #[arg(long, value_name = "NAME", default_value = "v1_21")]
    pub compat: String,
    /// Print the engine's log, too.
    #[arg(short, long)]
    pub verbose: bool,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let addresses = parse_listen(text).map_err(|e| e.to_string())?;
    match addresses.as_slice() {
        [one] => Ok(*one),
        _ => Err("want one address".to_owned()),
    }
}

fn nameserver(text: &str) -> Result<SocketAddr, String> {
    let bare = |_| text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse().or_else(bare).map_err(|_| "want an IP address, with or without a port".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    GoDuration::parse(text).map(Duration::from).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_command_line() {
        assert_eq!(listen(":80").unwrap().to_string(), "[::]:80");
        assert_eq!(listen("127.0.0.1:5002").unwrap().to_string(), "127.0.0.1:5002");
        assert!(listen("").is_err() && listen(":1,:2").is_err() && listen("80").is_err());
        assert_eq!(nameserver("9.9.9.9").unwrap().to_string(), "9.9.9.9:53");
        assert_eq!(nameserver("::1").unwrap().to_string(), "[::1]:53");
        assert_eq!(nameserver("[::1]:8053").unwrap().to_string(), "[::1]:8053");
        assert!(nameserver("dns.example").is_err());
    }
}
