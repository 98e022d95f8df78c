//! dns-01 by a command of the user's, with the contract of `rehearse issue --dns01-hook`, which is lego's `exec`.

use std::process::Stdio;

use tokio::process::Command;

use super::Proof;
use crate::client::Failure;

/// How much of what a hook says is passed on, in characters.
const SAID_MAX: usize = 400;

/// Calls the hook and waits for it: the nameservers have the record when it returns.
pub(super) async fn run(command: &str, action: &'static str, proof: &Proof) -> Result<(), Failure> {
    let failed = |why: String| Failure::Client(format!("DNS-01 hook `{command} {action} …`: {why}"));
    let mut call = if cfg!(unix) {
        // The shell takes the command apart; the arguments reach it as they are.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{command} \"$@\""), "dns01-hook"]);
        shell
    } else {
        Command::new(command)
    };
    let (name, value) = (proof.record_name(), proof.record());
    call.args([action, &name, &value]).kill_on_drop(true).stdin(Stdio::null());
    call.env("REHEARSE_ACTION", action).env("REHEARSE_DOMAIN", &proof.name);
    call.env("REHEARSE_FQDN", &name).env("REHEARSE_VALUE", &value);
    let ended = call.output().await.map_err(|e| failed(e.to_string()))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr };
    let said: String = String::from_utf8_lossy(said).trim().chars().take(SAID_MAX).collect();
    Err(failed(format!("{}: {said}", ended.status)))
}
