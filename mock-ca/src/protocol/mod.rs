//! The states of ACME's objects and what moves them (RFC 8555 section 7.1.6), as tables.
//!
//! Nothing here waits, draws or stores: a state and an event give the next state, or say that the event
//! does not fit. The whole matrix is a snapshot test.
//!
//! ```text
//! challenge       pending --respond--> processing --pass--> valid        fail from either --> invalid
//! authorization   pending --pass--> valid --expire|deactivate|revoke--> …   fail --> invalid
//! order           pending --authorize--> ready --finalize--> processing --issue--> valid   fail --> invalid
//! account         valid --deactivate--> deactivated      valid --revoke--> revoked
//! ```

/// An event that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} does not apply to {state}")]
pub struct InvalidTransition {
    /// The state, as ACME writes it.
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
    /// Whether the event has already happened: the state is the one that it leads to.
    pub repeated: bool,
}

macro_rules! machine {
    (
        $(#[$state_doc:meta])* state $State:ident { $($(#[$s_doc:meta])* $S:ident = $text:literal,)+ }
        $(#[$event_doc:meta])* event $Event:ident { $($(#[$e_doc:meta])* $E:ident: $($From:ident)|+ => $To:ident;)+ }
    ) => {
        $(#[$state_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
        pub enum $State { $($(#[$s_doc])* #[serde(rename = $text)] $S,)+ }

        impl $State {
            /// All states.
            pub const ALL: &'static [$State] = &[$($State::$S),+];

            /// As ACME writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $($State::$S => $text),+ }
            }

            /// The state after `event`.
            ///
            /// # Errors
            /// [`InvalidTransition`] when the event does not fit this state.
            pub fn on(self, event: $Event) -> Result<$State, InvalidTransition> {
                match (self, event) {
                    $($(($State::$From, $Event::$E))|+ => Ok($State::$To),)+
                    _ => Err(InvalidTransition {
                        state: self.as_str(),
                        event: event.as_str(),
                        repeated: self == event.target(),
                    }),
                }
            }
        }

        $(#[$event_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $Event { $($(#[$e_doc])* $E,)+ }

        impl $Event {
            /// All events.
            pub const ALL: &'static [$Event] = &[$($Event::$E),+];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $($Event::$E => stringify!($E)),+ }
            }

            const fn target(self) -> $State {
                match self { $($Event::$E => $State::$To),+ }
            }
        }
    };
}

machine! {
    /// State of a challenge.
    state ChallengeState {
        /// Nobody has answered it, or (in Boulder) it is not decided yet.
        Pending = "pending",
        /// It is being validated. Boulder does not show it.
        Processing = "processing",
        /// Validated.
        Valid = "valid",
        /// Validation failed.
        Invalid = "invalid",
    }
    /// What happens to a challenge.
    event ChallengeEvent {
        /// The client says that it is ready; also the retry of RFC 8555 section 8.2.
        Respond: Pending | Processing => Processing;
        /// Validation succeeded.
        Pass: Pending | Processing => Valid;
        /// Validation failed.
        Fail: Pending | Processing => Invalid;
    }
}

machine! {
    /// State of an authorization.
    state AuthorizationState {
        /// Not decided.
        Pending = "pending",
        /// Control was shown.
        Valid = "valid",
        /// A challenge failed.
        Invalid = "invalid",
        /// The client gave it up.
        Deactivated = "deactivated",
        /// Its time is over.
        Expired = "expired",
        /// The server took it back.
        Revoked = "revoked",
    }
    /// What happens to an authorization.
    event AuthorizationEvent {
        /// One of its challenges became valid.
        Pass: Pending => Valid;
        /// One of its challenges became invalid.
        Fail: Pending => Invalid;
        /// The client gives it up (RFC 8555 section 7.5.2).
        Deactivate: Pending | Valid => Deactivated;
        /// Its time is over.
        Expire: Pending | Valid => Expired;
        /// The server takes it back.
        Revoke: Valid => Revoked;
    }
}

machine! {
    /// State of an order.
    state OrderState {
        /// Some authorization is not valid yet.
        Pending = "pending",
        /// All authorizations are valid.
        Ready = "ready",
        /// The certificate is being made.
        Processing = "processing",
        /// The certificate is there.
        Valid = "valid",
        /// It will not come to a certificate.
        Invalid = "invalid",
    }
    /// What happens to an order.
    event OrderEvent {
        /// The last of its authorizations became valid.
        Authorize: Pending => Ready;
        /// The client sent its CSR.
        Finalize: Ready => Processing;
        /// The certificate was made.
        Issue: Processing => Valid;
        /// An authorization failed or ended, or the issuance failed, or its time is over.
        Fail: Pending | Ready | Processing => Invalid;
    }
}

machine! {
    /// State of an account.
    state AccountState {
        /// In use.
        Valid = "valid",
        /// Given up by its owner.
        Deactivated = "deactivated",
        /// Taken away by the server.
        Revoked = "revoked",
    }
    /// What happens to an account.
    event AccountEvent {
        /// The owner gives it up (RFC 8555 section 7.3.6).
        Deactivate: Valid => Deactivated;
        /// The server takes it away.
        Revoke: Valid => Revoked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    macro_rules! matrix {
        ($out:ident, $State:ident, $Event:ident) => {
            writeln!($out, "{}", stringify!($State)).unwrap();
            for state in $State::ALL {
                for event in $Event::ALL {
                    let next = match state.on(*event) {
                        Ok(next) => next.as_str(),
                        Err(InvalidTransition { repeated: true, .. }) => "(again)",
                        Err(_) => "-",
                    };
                    writeln!($out, "  {:<12} {:<12} {next}", state.as_str(), event.as_str()).unwrap();
                }
            }
        };
    }

    #[test]
    fn the_whole_matrix() {
        let mut out = String::new();
        matrix!(out, ChallengeState, ChallengeEvent);
        matrix!(out, AuthorizationState, AuthorizationEvent);
        matrix!(out, OrderState, OrderEvent);
        matrix!(out, AccountState, AccountEvent);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn an_end_is_an_end() {
        for state in [OrderState::Valid, OrderState::Invalid] {
            assert!(OrderEvent::ALL.iter().all(|event| state.on(*event).is_err()));
        }
        for state in [ChallengeState::Valid, ChallengeState::Invalid] {
            assert!(ChallengeEvent::ALL.iter().all(|event| state.on(*event).is_err()));
        }
    }
}
