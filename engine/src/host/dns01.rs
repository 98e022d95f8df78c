//! DNS-01 by a command of the user's, called as lego's `exec` provider calls it: `CMD present FQDN VALUE` and
//! `CMD cleanup FQDN VALUE`.

use std::time::Duration;

use world::World;
use world::command::Command;

use crate::api::Challenge;
use crate::controller::{SyncError, SyncResult};

/// How long one call may take: a hook may wait until all nameservers have the record.
const LIMIT: Duration = Duration::from_secs(600);
/// How much of what a hook says is passed on, in characters.
const SAID_MAX: usize = 400;

/// The command. It publishes a TXT record with one value, beside others that the name may have, and takes it away
/// again. It may be called again for what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01Hook {
    /// A command line of the shell, to which the arguments are added.
    pub command: String,
}

/// What a hook is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Present,
    Cleanup,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::Present => "present",
            Action::Cleanup => "cleanup",
        }
    }
}

/// Where the CA looks, with its final dot.
fn record_name(challenge: &Challenge) -> String {
    format!("_acme-challenge.{}.", challenge.spec.dns_name)
}

impl Dns01Hook {
    fn call(&self, action: Action, challenge: &Challenge) -> Command {
        let (name, value) = (record_name(challenge), challenge.spec.key.clone());
        let arguments = [action.as_str(), &name, &value].map(Into::into);
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![
            variable("REHEARSE_ACTION", action.as_str()),
            variable("REHEARSE_DOMAIN", &challenge.spec.dns_name),
            variable("REHEARSE_FQDN", &name),
            variable("REHEARSE_VALUE", &value),
        ];
        if cfg!(unix) {
            // The shell takes the command apart; the arguments reach it as they are.
            let line = format!("{} \"$@\"", self.command);
            let shell = ["-c".into(), line.into(), "dns01-hook".into()];
            let arguments = shell.into_iter().chain(arguments).collect();
            return Command { program: "/bin/sh".into(), arguments, environment };
        }
        Command { program: self.command.clone().into(), arguments: arguments.into(), environment }
    }

    pub(super) async fn run(&self, world: &World, action: Action, challenge: &Challenge) -> SyncResult {
        let failed = |why: String| {
            let (what, name) = (action.as_str(), record_name(challenge));
            SyncError::Other(format!("DNS-01 hook `{} {what} {name} …`: {why}", self.command))
        };
        let ended = world.run(&self.call(action, challenge), LIMIT).await;
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        if ended.status.success() {
            return Ok(());
        }
        let said = if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr };
        let said = String::from_utf8_lossy(said);
        let said: String =
            said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID_MAX).collect();
        Err(failed(format!("{}: {said}", ended.status)))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        let mut challenge = Challenge::default();
        challenge.spec.dns_name = "example.com".into();
        challenge.spec.key = "digest".into();
        challenge
    }

    fn run(command: &str) -> SyncResult {
        let hook = Dns01Hook { command: command.into() };
        let run = |world: World| async move { hook.run(&world, Action::Present, &challenge()).await };
        world::real::run(None, run).unwrap()
    }

    #[test]
    fn the_hook_is_told_name_and_value_by_arguments_and_environment() {
        let check = r#"sh -c 'test "$1 $2 $3" = "present _acme-challenge.example.com. digest" &&
            test "$REHEARSE_DOMAIN $REHEARSE_VALUE" = "example.com digest"' x"#;
        run(check).unwrap();
    }

    #[test]
    fn a_hook_that_fails_tells_why() {
        let error = run("sh -c 'echo no such zone >&2; exit 3' x").unwrap_err().to_string();
        assert!(
            error.ends_with("present _acme-challenge.example.com. …`: exit status: 3: no such zone"),
            "{error}"
        );
    }

    #[test]
    fn a_simulated_world_runs_no_hook() {
        let ran = world::sim::run(world::sim::Config::default(), |world| async move {
            Dns01Hook { command: "true".into() }.run(&world, Action::Cleanup, &challenge()).await
        });
        assert!(ran.unwrap().value.unwrap_err().to_string().contains("a simulated world runs no programs"));
    }
}
